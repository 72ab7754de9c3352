"""What tools outside make of our objects, on a real API server: kstatus itself, kubectl diff, two managers, Helm."""

import itertools
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.api import ApiServer
from testbed.binaries import helm, kstatus
from testbed.chart import CHART
from testbed.rest import Rest
from tests.support.models.kstatus import judged
from zkoperator.kube.port import Manifest
from zkoperator.mirror.model.rollout import restart_patch

ROOT = CHART.parents[1]
SAMPLES = sorted((ROOT / "manifests" / "samples").glob("*.yaml"))
OURS = ("ZooKeeperCluster", "ConfigSync")

Kubectl = Callable[..., str]


@pytest.fixture(scope="module")
def kubectl(api_server: ApiServer) -> Kubectl:
    """kubectl with our definitions applied; an exit code that is not 0 is an AssertionError with what it printed."""

    def run(*arguments: str, stdin: str | None = None) -> str:
        command = [str(api_server.kubectl), f"--kubeconfig={api_server.kubeconfig}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("apply", "-f", str(ROOT / "crds"))
    run("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
    return run


def words(objects: Sequence[Manifest]) -> list[str]:
    """What kstatus says of each of the objects."""
    text = "\n".join(map(json.dumps, objects))
    return subprocess.run([kstatus()], input=text, capture_output=True, text=True, check=True).stdout.split()


def combinations() -> Iterator[Manifest]:
    """Objects with every combination of what its rules look at."""
    truths = (None, "True", "False", "Unknown")
    for observed, ready, reconciling, stalled in itertools.product((None, -1, 1), truths, truths[:3], truths[:3]):
        told = {"Ready": ready, "Reconciling": reconciling, "Stalled": stalled}
        conditions = [
            {"type": kind, "status": truth, "reason": "Any", "message": ""} for kind, truth in told.items() if truth
        ]
        status = {"conditions": conditions, **({"observedGeneration": observed} if observed is not None else {})}
        meta = {"name": "main", "namespace": "demo", "generation": 1}
        yield {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ConfigSync", "metadata": meta, "status": status}


def test_kstatus_says_what_the_rules_say_by_which_other_tests_judge() -> None:
    objects = list(combinations())
    assert words(objects) == [judged(each) for each in objects]
    assert set(words(objects)) == {"Current", "InProgress", "Failed"}


@pytest.mark.parametrize("kind", OURS)
def test_a_new_object_is_in_progress_before_any_operator_has_seen_it(
    kind: str, kubectl: Kubectl, namespace: str
) -> None:
    spec: Manifest = {"zookeeper": {"clusterRef": {"name": "a"}, "path": "/a"}} if kind == "ConfigSync" else {}
    made = {"apiVersion": "zkoperator.dev/v1alpha1", "kind": kind, "metadata": {"name": "new"}, "spec": spec}
    kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(made))
    found = json.loads(kubectl("get", "-n", namespace, kind, "new", "-o", "json"))
    assert found["status"] == {"observedGeneration": -1}
    assert words([found]) == ["InProgress"]


@pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["client side", "server side"])
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_nothing_differs_after_an_apply(sample: Path, how: tuple[str, ...], kubectl: Kubectl, namespace: str) -> None:
    documents = filter(None, yaml.safe_load_all(sample.read_text()))
    ours = [each for each in documents if each["apiVersion"].startswith("zkoperator.dev/")]
    for each in ours:
        each["metadata"].pop("namespace", None)
    text = yaml.safe_dump_all(ours)
    kubectl("apply", "-n", namespace, *how, "-f", "-", stdin=text)
    assert kubectl("diff", "-n", namespace, *how, "-f", "-", stdin=text) == ""
    for each in ours:
        operator_writes_status(kubectl, namespace, each)
    assert kubectl("diff", "-n", namespace, *how, "-f", "-", stdin=text) == ""


def operator_writes_status(kubectl: Kubectl, namespace: str, made: Manifest) -> None:
    patch = json.dumps({"status": {"observedGeneration": 1}})
    name = f"{made['kind']}/{made['metadata']['name']}"
    kubectl("patch", "-n", namespace, name, "--subresource=status", "--type=merge", "-p", patch)


WORKLOAD: Manifest = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "shop"},
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "shop"}},
        "template": {
            "metadata": {"labels": {"app": "shop"}, "annotations": {"from": "git"}},
            "spec": {"containers": [{"name": "shop", "image": "shop"}]},
        },
    },
}


@pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["client side", "server side"])
def test_the_mark_of_a_rollout_survives_the_next_apply_of_git(
    how: tuple[str, ...], kubectl: Kubectl, namespace: str
) -> None:
    text = json.dumps(WORKLOAD)
    kubectl("apply", "-n", namespace, *how, "-f", "-", stdin=text)
    patch = json.dumps(restart_patch({"shop": "abc"}))
    kubectl("patch", "-n", namespace, "deployment/shop", "--type=merge", "--field-manager=zkoperator", "-p", patch)
    assert kubectl("diff", "-n", namespace, *how, "-f", "-", stdin=text) == ""
    kubectl("apply", "-n", namespace, *how, "-f", "-", stdin=text)
    found = json.loads(kubectl("get", "-n", namespace, "deployment/shop", "-o", "json"))
    assert found["spec"]["template"]["metadata"]["annotations"] == {"from": "git", "rollout.zkoperator.dev/shop": "abc"}


@pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["client side", "server side"])
def test_git_and_the_operator_own_different_keys_of_one_config_map(
    how: tuple[str, ...], kubectl: Kubectl, namespace: str
) -> None:
    meta = {"name": "shop", "labels": {"zkoperator.dev/sync": "shop"}}
    ours = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"from-git": "1"}})
    kubectl("apply", "-n", namespace, *how, "-f", "-", stdin=ours)
    operator = json.dumps({"data": {"from-zookeeper": "2"}})
    kubectl("patch", "-n", namespace, "cm/shop", "--type=merge", "--field-manager=zkoperator", "-p", operator)
    assert kubectl("diff", "-n", namespace, *how, "-f", "-", stdin=ours) == ""
    kubectl("apply", "-n", namespace, *how, "-f", "-", stdin=ours.replace('"1"', '"3"'))
    data = json.loads(kubectl("get", "-n", namespace, "cm/shop", "-o", "json"))["data"]
    assert data == {"from-git": "3", "from-zookeeper": "2"}


def test_helm_waits_until_the_operator_s_pods_are_ready(
    api_server: ApiServer, kubectl: Kubectl, tmp_path: Path
) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "KUBECONFIG": str(api_server.kubeconfig)}
    flags = ("--namespace", "helm-waits", "--create-namespace", "--set", "crds.install=false", "--timeout", "4m")
    ready, ended = threading.Event(), threading.Event()
    kubelet = threading.Thread(target=_make_pods_ready, args=(api_server.rest(), ready, ended))
    kubelet.start()
    try:
        command = [str(helm()), "install", "zkoperator", str(CHART), *flags, "--wait"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    finally:
        ended.set()
        kubelet.join()
    assert done.returncode == 0, done.stderr
    assert ready.is_set()
    found = json.loads(kubectl("get", "-n", "helm-waits", "deployment/zkoperator", "-o", "json"))
    assert words([found]) == ["Current"]


def _make_pods_ready(rest: Rest, ready: threading.Event, ended: threading.Event) -> None:
    """Be the kubelet: the pods of the release become ready, the second one a while after the first."""
    while not ended.wait(0.5):
        pods = rest("GET", "/api/v1/namespaces/helm-waits/pods")["items"]
        waiting = [pod for pod in pods if pod["status"]["phase"] == "Pending"]
        for pod in waiting[:1]:
            _report_ready(rest, pod)
        if pods and not waiting:
            ready.set()


def _report_ready(rest: Rest, pod: Any) -> None:
    now = pod["metadata"]["creationTimestamp"]
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in ("Ready", "ContainersReady")]
    status = {**pod, "status": {"phase": "Running", "conditions": conditions}}
    rest("PUT", f"/api/v1/namespaces/helm-waits/pods/{pod['metadata']['name']}/status", status)
