"""Where a cluster comes from. Tests and the demo see a `Provider` and do not care which.

`CLUSTER=local|kind|existing` decides; when it is not set, what is there decides: a Docker engine with kind, or root on
Linux. An existing cluster is never taken by itself.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from testbed.errors import TestbedError
from testbed.images import OperatorImage
from testbed.kind import Kind
from testbed.local import Local
from testbed.processes import require, run

_NO_CLUSTER = """there is no way to make a cluster here. Any one of these will do:
  - Docker (https://docs.docker.com/engine/install/) and kind (https://kind.sigs.k8s.io/), for CLUSTER=kind
  - root on Debian or Ubuntu with Go, Maven and Java, for CLUSTER=local
  - KUBECONFIG of a cluster that you may use, with CLUSTER=existing"""


IMAGE_VARIABLE = "ZKOPERATOR_IMAGE"
"""The operator's image for a cluster that is not the testbed's: a name that its nodes can pull."""

_NO_IMAGE = f"""CLUSTER=existing: the image of this checkout has to be in a registry that the cluster pulls from:
  docker build --tag registry.example.com/zkoperator:dev . && docker push registry.example.com/zkoperator:dev
  {IMAGE_VARIABLE}=registry.example.com/zkoperator:dev CLUSTER=existing make demo"""


class Provider(Protocol):
    """A cluster of one name: it may be up or not."""

    def up(self, nodes: int, *, with_operator: bool) -> None:
        """Bring it up, with the operator's image on its nodes if that is wanted."""

    def down(self, *, logs: bool = False) -> None:
        """Remove it; its logs stay unless they are to go as well."""

    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, for commands that run as `inside` says."""

    def nodes(self) -> list[str]:
        """The names of the nodes that run pods."""

    def inside(self, argv: Sequence[str]) -> list[str]:
        """Return a command line that runs another one where pods and Services are reached by address and name."""

    def on(self, node: str, argv: Sequence[str]) -> list[str]:
        """Return a command line that runs another one in the network of a node."""

    def environment(self) -> Mapping[str, str]:
        """The environment of such commands: KUBECONFIG, and kubectl in PATH."""

    def load(self, archive: Path) -> None:
        """Put the images of an archive, as `docker save` writes it, on every node."""

    def load_operator(self) -> None:
        """Build the operator's image from the checkout and put it on every node."""

    def operator_image(self) -> OperatorImage:
        """Which image of the operator the nodes have."""

    def cut(self, node: str) -> None:
        """Cut a node off from all others."""

    def heal(self, node: str) -> None:
        """Connect it again."""

    def describe(self) -> str:
        """What there is to say of it beyond what kubectl says."""


class Existing:
    """A cluster that somebody else made; nothing is brought up, removed or loaded."""

    def __init__(self, kubeconfig: Path, image: str) -> None:
        self._kubeconfig = kubeconfig
        self._image = image

    def up(self, nodes: int, *, with_operator: bool) -> None:
        """Ask whether it is there."""
        require("kubectl", "https://kubernetes.io/docs/tasks/tools/")
        found = self.nodes()
        if len(found) < nodes:
            raise TestbedError(f"--nodes {nodes}: the cluster of {self._kubeconfig} has {len(found)}")
        if with_operator:
            self.load_operator()

    def down(self, *, logs: bool = False) -> None:
        """Leave it alone."""

    def kubeconfig(self) -> Path:
        """The file that KUBECONFIG names."""
        return self._kubeconfig

    def nodes(self) -> list[str]:
        """All nodes."""
        names = run("kubectl", "get", "nodes", "-o", "name", env=self.environment())
        return [name.removeprefix("node/") for name in names.split()]

    def inside(self, argv: Sequence[str]) -> list[str]:
        """The command itself: whether pods are reached is up to the network between here and there."""
        return list(argv)

    def on(self, node: str, argv: Sequence[str]) -> list[str]:
        """Refuse."""
        raise _not_ours(f"run {argv[0]} on {node}")

    def environment(self) -> Mapping[str, str]:
        """The environment as it is."""
        return {**os.environ, "KUBECONFIG": str(self._kubeconfig)}

    def load(self, archive: Path) -> None:
        """Refuse."""
        raise _not_ours(f"load {archive}")

    def load_operator(self) -> None:
        """Leave it to the nodes to pull the image that was named."""
        self.operator_image()

    def operator_image(self) -> OperatorImage:
        """The image that was named; refuse when none was."""
        if not self._image:
            raise TestbedError(_NO_IMAGE)
        return OperatorImage(self._image, self._image)

    def cut(self, node: str) -> None:
        """Refuse."""
        raise _not_ours(f"cut {node} off")

    def heal(self, node: str) -> None:
        """Refuse."""
        raise _not_ours(f"heal {node}")

    def describe(self) -> str:
        """Where it was found."""
        return f"the existing cluster of {self._kubeconfig}"


def choose(name: str, environment: Mapping[str, str] = os.environ) -> Provider:
    """Return the provider of a cluster.

    Raises:
        TestbedError: None fits; it says what to install.
    """
    wanted = environment.get("CLUSTER") or _what_is_there()
    match wanted:
        case "local":
            return Local(name)
        case "kind":
            return Kind(name)
        case "existing" if environment.get("KUBECONFIG"):
            return Existing(Path(environment["KUBECONFIG"]).absolute(), environment.get(IMAGE_VARIABLE, ""))
        case "existing":
            raise TestbedError("CLUSTER=existing: set KUBECONFIG to the kubeconfig of that cluster")
        case "":
            raise TestbedError(_NO_CLUSTER)
        case _:
            raise TestbedError(f"CLUSTER={wanted}: use local, kind or existing")


def made_here(name: str) -> list[Provider]:
    """Return the providers that have something left of a cluster on this machine."""
    providers = (Local(name), Kind(name))
    return [provider for provider in providers if provider.is_left()]


def _what_is_there() -> str:
    if shutil.which("kind") is not None and _docker_answers():
        return "kind"
    return "local" if sys.platform == "linux" and os.geteuid() == 0 else ""


def _docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def _not_ours(what: str) -> TestbedError:
    return TestbedError(f"CLUSTER=existing: cannot {what}; that cluster is not the testbed's")
