"""The node size of the testbed: pods that run, and what is left when a cluster is gone."""

import contextlib
import functools
import json
import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed import cgroups, cluster, jars, local
from testbed.cluster import Cluster
from testbed.errors import TestbedError
from testbed.images import zookeeper_reference
from testbed.layout import layout
from testbed.network import command_in, cut, heal, inside
from testbed.processes import wait_for
from testbed.rest import ApiError, Rest

# The first run on a machine builds images and compiles Kubernetes.
pytestmark = pytest.mark.timeout(1800)

IMAGE = zookeeper_reference(jars.VERSIONS[-1])
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "fsGroup": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONFINED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
SERVE = ["sh", "-c", "while :; do nc -l -k -p 8080 >/dev/null; done"]


@pytest.fixture(scope="module")
def three() -> Iterator[Cluster]:
    yield local.bring_up("testbed-3", 3)
    cluster.remove("testbed-3")


@pytest.fixture
def rest(three: Cluster) -> Iterator[Rest]:
    with inside(three.layout.name):
        yield Rest(three.kubeconfig)


@pytest.fixture
def namespace(rest: Rest) -> Iterator[str]:
    name = f"test-{secrets.token_hex(4)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    rest("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    wait_for("the default service account", lambda: rest.ready(account), limit_s=30)
    yield name
    rest("DELETE", f"/api/v1/namespaces/{name}")


def start_pod(rest: Rest, namespace: str, name: str, node: str = "", **spec: Any) -> str:
    """Start a restricted pod that listens on 8080; return its address once it runs."""
    container = {"name": "main", "image": IMAGE, "command": SERVE, "securityContext": CONFINED}
    container |= spec.pop("container", {})
    pod = {
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "containers": [container],
            "securityContext": RESTRICTED,
            "nodeSelector": {"kubernetes.io/hostname": node} if node else {},
            "terminationGracePeriodSeconds": 0,
            **spec,
        },
    }
    path = f"/api/v1/namespaces/{namespace}/pods"
    rest("POST", path, pod)
    wait_for(f"pod {name}", lambda: rest("GET", f"{path}/{name}")["status"]["phase"] == "Running", limit_s=60)
    return str(rest("GET", f"{path}/{name}")["status"]["podIP"])


def kubectl(up: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = command_in(up.layout.name, ["kubectl", *arguments])
    return subprocess.run(argv, env=up.environment(), capture_output=True, text=True, timeout=60, check=False)


def connects(up: Cluster, namespace: str, pod: str, host: str, port: int = 8080) -> bool:
    probe = ("nc", "-z", "-w", "1", host, str(port))
    return kubectl(up, "exec", "--namespace", namespace, pod, "--", *probe).returncode == 0


def reachable(address: str, port: int = 8080) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False


def test_pods_of_different_nodes_reach_one_another_by_address_service_and_name(
    three: Cluster, rest: Rest, namespace: str
) -> None:
    address = start_pod(rest, namespace, "server", "node-1")
    start_pod(rest, namespace, "client", "node-2")
    service = {"metadata": {"name": "server"}, "spec": {"selector": {"app": "server"}, "ports": [{"port": 8080}]}}
    services = f"/api/v1/namespaces/{namespace}/services"
    virtual = rest("POST", services, service)["spec"]["clusterIP"]
    for host in (address, virtual, f"server.{namespace}.svc.cluster.local"):
        wait_for(host, functools.partial(connects, three, namespace, "client", host), limit_s=30)


def test_a_test_process_reaches_pods_and_services(rest: Rest, namespace: str) -> None:
    address = start_pod(rest, namespace, "server")
    service = {"metadata": {"name": "server"}, "spec": {"selector": {"app": "server"}, "ports": [{"port": 8080}]}}
    virtual = rest("POST", f"/api/v1/namespaces/{namespace}/services", service)["spec"]["clusterIP"]
    for host in (address, virtual):
        wait_for(host, functools.partial(reachable, host), limit_s=30)


def test_a_network_policy_lets_through_only_what_it_names(three: Cluster, rest: Rest, namespace: str) -> None:
    address = start_pod(rest, namespace, "server", "node-1")
    start_pod(rest, namespace, "friend", "node-2")
    start_pod(rest, namespace, "stranger", "node-1")
    assert connects(three, namespace, "stranger", address)
    allowed = {"from": [{"podSelector": {"matchLabels": {"app": "friend"}}}], "ports": [{"port": 8080}]}
    policy = {
        "metadata": {"name": "friends-only"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "server"}},
            "policyTypes": ["Ingress"],
            "ingress": [allowed],
        },
    }
    rest("POST", f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies", policy)
    wait_for("the policy", lambda: not connects(three, namespace, "stranger", address), limit_s=15)
    assert connects(three, namespace, "friend", address)
    rest("DELETE", f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies/friends-only")
    wait_for("the end of the policy", lambda: connects(three, namespace, "stranger", address), limit_s=15)


def test_a_volume_is_writable_for_the_group_and_goes_with_its_claim(three: Cluster, rest: Rest, namespace: str) -> None:
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    size = {"requests": {"storage": "1Gi"}}
    rest("POST", claims, {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": size}})
    start_pod(
        rest,
        namespace,
        "writer",
        container={"volumeMounts": [{"name": "data", "mountPath": "/data"}]},
        volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    )
    written = kubectl(three, "exec", "--namespace", namespace, "writer", "--", "sh", "-c", "echo kept > /data/file")
    assert written.returncode == 0, written.stderr
    volume = rest("GET", f"{claims}/data")["spec"]["volumeName"]
    directory = Path(rest("GET", f"/api/v1/persistentvolumes/{volume}")["spec"]["local"]["path"])
    assert (directory / "file").read_text() == "kept\n"
    rest("DELETE", f"/api/v1/namespaces/{namespace}/pods/writer")
    rest("DELETE", f"{claims}/data")
    wait_for("the end of the data", lambda: not directory.exists(), limit_s=60)


def test_a_cut_node_is_lost_and_a_healed_one_comes_back(three: Cluster, rest: Rest, namespace: str) -> None:
    node = three.layout.node("node-3")
    address = start_pod(rest, namespace, "server", node.name)
    wait_for("the pod", lambda: reachable(address), limit_s=10)
    cut(three.layout, node)
    try:
        assert not reachable(address)
        wait_for("the loss of the node", lambda: not is_ready(rest, node.name), limit_s=90)
    finally:
        heal(three.layout, node)
    wait_for("the return of the node", lambda: is_ready(rest, node.name), limit_s=90)
    wait_for("the pod", lambda: reachable(address), limit_s=30)


def is_ready(rest: Rest, node: str) -> bool:
    conditions = rest("GET", f"/api/v1/nodes/{node}")["status"]["conditions"]
    return any((condition["type"], condition["status"]) == ("Ready", "True") for condition in conditions)


@pytest.mark.parametrize("version", jars.VERSIONS)
def test_the_zookeeper_image_keeps_the_contract_of_the_official_one(
    three: Cluster, rest: Rest, namespace: str, version: str
) -> None:
    configuration = "dataDir=/data\nclientPort=2181\n4lw.commands.whitelist=srvr\nadmin.enableServer=false\n"
    start = f"printf '{configuration}' > /conf/zoo.cfg && exec zkServer.sh start-foreground"
    writable = [{"name": name, "mountPath": f"/{name}"} for name in ("conf", "data", "datalog", "logs")]
    container = {
        "image": zookeeper_reference(version),
        "command": ["bash", "-ec", start],
        "volumeMounts": writable,
        "env": [{"name": "ZK_SERVER_HEAP", "value": "100"}],
        "readinessProbe": {
            "exec": {"command": ["sh", "-c", "echo srvr | nc -w 2 127.0.0.1 2181 | grep Mode"]},
            "periodSeconds": 1,
        },
    }
    volumes = [{"name": mount["name"], "emptyDir": {}} for mount in writable]
    start_pod(rest, namespace, "zookeeper", container=container, volumes=volumes)
    pod = f"/api/v1/namespaces/{namespace}/pods/zookeeper"
    wait_for("readiness", lambda: rest("GET", pod)["status"]["containerStatuses"][0]["ready"], limit_s=60)
    said = kubectl(three, "exec", "--namespace", namespace, "zookeeper", "--", "sh", "-c", "echo srvr | nc 127.1 2181")
    assert f"version: {version}" in said.stdout
    who = kubectl(three, "exec", "--namespace", namespace, "zookeeper", "--", "id", "-un")
    assert who.stdout.strip() == "zookeeper"


def test_there_is_no_way_out_of_a_cluster(three: Cluster) -> None:
    for netns in (three.layout.name, *(node.netns for node in three.layout.nodes)):
        with inside(netns), pytest.raises(OSError, match="unreachable"):
            socket.create_connection(("192.0.2.1", 80), timeout=5)


def test_a_cluster_that_is_down_has_left_nothing(three: Cluster) -> None:
    name = "testbed-1"
    up = local.bring_up(name, 1)
    try:
        with inside(name):
            rest = Rest(up.kubeconfig)
            start_pod(rest, "default", "pod")
            pod = rest("GET", "/api/v1/namespaces/default/pods/pod")
        traces = identifiers(up, pod)
        assert cgroups.processes(name)
        assert remains(traces)
    finally:
        cluster.remove(name)
    assert cgroups.processes(name) == []
    assert remains(traces) == []
    assert [path.name for path in up.layout.state.iterdir()] == ["logs"]
    with inside(three.layout.name):
        assert Rest(three.kubeconfig).ready()


def test_a_cluster_that_cannot_be_brought_up_leaves_nothing(tmp_path: Path) -> None:
    broken = Cluster(layout("testbed-0", 1))
    with pytest.raises(FileNotFoundError, match="no-such-store"):
        broken.up(tmp_path / "no-such-store")
    assert cgroups.processes("testbed-0") == []
    assert remains(["testbed-0"]) == []


def identifiers(up: Cluster, pod: dict[str, Any]) -> list[str]:
    """What names of files, mounts, processes and cgroups of a cluster contain."""
    containers = [status["containerID"].rpartition("/")[2] for status in pod["status"]["containerStatuses"]]
    tasks = list(up.layout.run.glob("*/containerd/io.containerd.runtime.v2.task/*/*/address"))
    sockets = [Path(file.read_text()).name for file in tasks]
    sandboxes = [file.parent.name for file in tasks]
    assert sockets
    return [up.layout.name, pod["metadata"]["uid"], *containers, *sockets, *sandboxes]


def remains(traces: list[str]) -> list[str]:
    """Everything on the machine outside the state directory whose name contains a trace."""
    found = [line for line in Path("/proc/mounts").read_text().splitlines() if mentions(line, traces)]
    found += [line for line in command_lines() if mentions(line, traces)]
    for top in ("/run", "/var", "/etc", "/tmp", "/dev", "/sys/fs/cgroup", "/usr/lib/cni"):
        for directory, directories, files in os.walk(top):
            if directory == "/var/lib/zkoperator-testbed":
                directories.clear()
                continue
            found += [f"{directory}/{entry}" for entry in (*directories, *files) if mentions(entry, traces)]
    return found


def command_lines() -> Iterator[str]:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield file.read_bytes().replace(b"\0", b" ").decode(errors="replace")


def mentions(text: str, traces: list[str]) -> bool:
    return any(trace in text for trace in traces)


def test_a_cluster_that_is_up_is_not_brought_up_again(three: Cluster) -> None:
    assert local.bring_up(three.layout.name, 3).layout == three.layout
    with pytest.raises(TestbedError, match="is up with 3 nodes"):
        local.bring_up(three.layout.name, 1)


@pytest.mark.parametrize(("name", "nodes", "field"), [("UP", 1, "--name"), ("ok", 0, "--nodes"), ("ok", 10, "--nodes")])
def test_a_bad_name_or_number_of_nodes_is_refused(name: str, nodes: int, field: str) -> None:
    with pytest.raises(TestbedError, match=field):
        local.bring_up(name, nodes)


def test_the_audit_log_tells_what_a_user_did(three: Cluster, rest: Rest) -> None:
    with contextlib.suppress(ApiError):
        rest("GET", "/api/v1/namespaces/none/configmaps/audited")
    path = three.plane.audit_log
    wait_for("the record", lambda: any(is_audited(line) for line in path.read_text().splitlines()), limit_s=10)


def is_audited(line: str) -> bool:
    with contextlib.suppress(json.JSONDecodeError):  # the last line may be half written
        event = json.loads(line)
        return (event.get("objectRef", {}).get("name"), event["user"]["username"]) == ("audited", "admin")
    return False
