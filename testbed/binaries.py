"""Programs built from Go modules: Kubernetes, etcd and CoreDNS in one binary, pause, Helm, versitygw, kstatus."""

import os
from pathlib import Path

from testbed.cache import artefact, progress
from testbed.processes import require, run

KUBERNETES_VERSION = "1.34.4"
"""The newest minor version that takes cgroup v1 and containerd 1.6; its go.mod lists the patch versions."""

COMPONENTS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubectl",
    "etcd",
    "coredns",
)

_MODULE = Path(__file__).parent / "go"
_ALERTS = Path(__file__).parent / "alerts"
_HELM = Path(__file__).parent / "helm"
_KSTATUS = Path(__file__).parent / "kstatus"
_VERSITYGW = Path(__file__).parent / "versitygw"
_NO_GO = "install Go 1.24 or newer (https://go.dev/doc/install)"


def kubernetes() -> Path:
    """Return a directory with one program for each of COMPONENTS."""
    flags = _linker_flags()

    def build(directory: Path) -> None:
        progress("Kubernetes: compiling takes 6 minutes on 2 cores with empty Go caches, half a minute with warm ones")
        _go_build("./cmd/kubernetes", directory / "kubernetes", flags)
        for name in COMPONENTS:
            (directory / name).symlink_to("kubernetes")

    require("go", _NO_GO)
    return artefact("kubernetes", (*_sources("kubernetes"), flags, run("go", "version")), build)


def pause() -> Path:
    """Return the pause program, linked statically."""

    def build(directory: Path) -> None:
        _go_build("./cmd/pause", directory / "pause", "-s -w", static=True)

    require("go", _NO_GO)
    return artefact("pause", (*_sources("pause"), run("go", "version")), build) / "pause"


def helm() -> Path:
    """Return the program `helm`."""
    major, minor, _ = KUBERNETES_VERSION.split(".")
    package = "helm.sh/helm/v3/pkg/chartutil"
    # Without these two a chart is rendered for the oldest Kubernetes that Helm knows.
    flags = f"-s -w -X {package}.k8sVersionMajor={major} -X {package}.k8sVersionMinor={minor}"

    def build(directory: Path) -> None:
        progress("Helm: compiling takes 3 minutes on 2 cores with empty Go caches")
        _go_build("helm.sh/helm/v3/cmd/helm", directory / "helm", flags, module=_HELM)

    require("go", _NO_GO)
    return artefact("helm", (_HELM, flags, run("go", "version")), build) / "helm"


def versitygw() -> Path:
    """Return the program `versitygw`, which serves a folder as S3."""

    def build(directory: Path) -> None:
        progress("versitygw: compiling takes 5 minutes on 2 cores with empty Go caches")
        _go_build("github.com/versity/versitygw/cmd/versitygw", directory / "versitygw", "-s -w", module=_VERSITYGW)

    require("go", _NO_GO)
    return artefact("versitygw", (_VERSITYGW, run("go", "version")), build) / "versitygw"


def kstatus() -> Path:
    """Return a program that says of each object on its standard input what kstatus makes of it."""

    def build(directory: Path) -> None:
        _go_build(".", directory / "kstatus", "-s -w", module=_KSTATUS)

    require("go", _NO_GO)
    return artefact("kstatus", (_KSTATUS, run("go", "version")), build) / "kstatus"


def alerts() -> Path:
    """Return the program that evaluates alert rules with the engine of Prometheus."""

    def build(directory: Path) -> None:
        progress("the engine of Prometheus: compiling takes 2 minutes on 2 cores with empty Go caches")
        _go_build(".", directory / "alerts", "-s -w", module=_ALERTS)

    require("go", _NO_GO)
    return artefact("alerts", (_ALERTS, run("go", "version")), build) / "alerts"


FOR_TESTS = (helm, kstatus, alerts, versitygw)
"""What tests use beside a cluster. They are built before: beside tests, compiling takes longer than a test may wait."""


def _sources(command: str) -> tuple[Path, ...]:
    return (_MODULE / "go.mod", _MODULE / "go.sum", _MODULE / "cmd" / command)


def _linker_flags() -> str:
    package = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES_VERSION.split(".")
    version = {
        "gitVersion": f"v{KUBERNETES_VERSION}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": "0" * 40,
    }
    return " ".join(["-s -w", *(f"-X {package}.{key}={value}" for key, value in version.items())])


def _go_build(package: str, out: Path, linker_flags: str, *, static: bool = False, module: Path = _MODULE) -> None:
    env = {"CGO_ENABLED": "0"} if static else {}
    run(
        "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", linker_flags, "-o", out, package,
        cwd=module, env={**os.environ, **env}, what=f"go build {package}",
    )  # fmt: skip
