"""The commands on a real API server and a real ZooKeeper server."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.security import make_acl

from testbed.api import ApiServer
from testbed.processes import wait_for
from testbed.rest import Rest
from testbed.zookeepers import Ensemble
from tests.support.machines.operator import OperatorProcess
from tests.support.machines.testbed import EnsembleFactory
from zkoperator.cli import main
from zkoperator.ensemble.build.secret import digest

ROOT = Path(__file__).parents[2]
API = "/apis/zkoperator.dev/v1alpha1"
CANARY = "canary-0b7f2d"

Command = Callable[..., str]


@pytest.fixture(scope="module")
def definitions(api_server: ApiServer) -> None:
    """Our CRDs on the server."""
    kubectl = [str(api_server.kubectl), f"--kubeconfig={api_server.kubeconfig}"]
    subprocess.run([*kubectl, "apply", "-f", str(ROOT / "crds")], check=True, capture_output=True, timeout=60)
    subprocess.run([*kubectl, "wait", "--for=condition=Established", "crd", "--all"], check=True, timeout=60)


@pytest.fixture
def rest(api_server: ApiServer, definitions: None) -> Iterator[Rest]:
    api = api_server.rest()
    yield api
    api.close()


@pytest.fixture
def command(api_server: ApiServer, namespace: str, rest: Rest, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in the test's namespace and return what it printed."""

    def run(*words: str, status: int = 0, everywhere: bool = False, output: bool = False) -> str:
        where = [] if everywhere else ["-n", namespace]
        ended = main([*words, "--kubeconfig", str(api_server.kubeconfig), *where])
        captured = capsys.readouterr()
        assert ended == status, captured.err
        return captured.out if status == 0 or output else captured.err

    return run


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    since = "2026-01-01T00:00:00Z"
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}


def create(rest: Rest, namespace: str, kind: str, name: str, spec: dict[str, Any], status: dict[str, Any]) -> None:
    plural = {"ZooKeeperCluster": "zookeeperclusters", "ConfigSync": "configsyncs"}[kind]
    path = f"{API}/namespaces/{namespace}/{plural}"
    body = {"apiVersion": "zkoperator.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    rest("POST", path, body)
    if status:
        observed = {"observedGeneration": 1, **status}
        rest("PATCH", f"{path}/{name}/status", {"status": observed}, "application/merge-patch+json")


def annotations(rest: Rest, namespace: str, name: str) -> dict[str, str]:
    return dict(rest("GET", f"{API}/namespaces/{namespace}/configsyncs/{name}")["metadata"].get("annotations", {}))


def sync_spec(path: str = "/apps/shop", hosts: str = "zk:2181", **spec: Any) -> dict[str, Any]:
    return {"zookeeper": {"hosts": hosts, "path": path}, **spec}


def test_status_shows_both_kinds_without_colours_where_nobody_looks(
    command: Command, rest: Rest, namespace: str
) -> None:
    ready = {"conditions": [condition("Ready", "True", "InSync")], "readyReplicas": 3, "leader": "main-zk-1"}
    held = {"conditions": [condition("Ready", "False", "Conflict", "db__pool was edited on both sides")], "keys": 4}
    create(rest, namespace, "ZooKeeperCluster", "main", {}, ready)
    create(rest, namespace, "ConfigSync", "shop", sync_spec(), held)
    shown = command("status")
    assert "main     ready  3/3      main-zk-1" in shown
    assert "Conflict  db__pool was edited on both sides" in shown
    assert "\x1b" not in shown


def test_status_of_one_name_shows_its_conditions(command: Command, rest: Rest, namespace: str) -> None:
    status = {"conditions": [condition("Ready", "True", "InSync", "all is well")]}
    create(rest, namespace, "ZooKeeperCluster", "main", {}, status)
    create(rest, namespace, "ZooKeeperCluster", "other", {}, {})
    shown = command("status", "main")
    assert f"ZooKeeperCluster {namespace}/main  ready" in shown
    assert "all is well" in shown
    assert "other" not in shown


def test_status_for_programs_is_one_document(command: Command, rest: Rest, namespace: str) -> None:
    create(rest, namespace, "ZooKeeperCluster", "main", {"replicas": 5}, {"replicas": 3})
    (shown,) = json.loads(command("status", "-o", "json"))
    assert (shown["kind"], shown["replicas"], shown["voters"], shown["healthy"]) == ("ZooKeeperCluster", 5, 3, None)


def test_status_of_all_namespaces_names_them(command: Command, rest: Rest, namespace: str) -> None:
    create(rest, namespace, "ConfigSync", "shop", sync_spec(), {})
    assert f"{namespace}/shop" in command("status", "-A", everywhere=True)


@contextmanager
def live_view(api_server: ApiServer, namespace: str, *flags: str, stdout: int) -> Iterator[subprocess.Popen[str]]:
    """`status --watch` as a process of its own, ended afterwards."""
    place = ["-n", namespace, "--kubeconfig", str(api_server.kubeconfig)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "operator"), "TERM": "xterm"}
    words = [sys.executable, "-m", "zkoperator", "status", "--watch", *flags, *place]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=stdout, text=True, env=environ) as live:
        try:
            yield live
        finally:
            live.terminate()


def become_ready(rest: Rest, namespace: str, name: str = "main") -> None:
    status = {"observedGeneration": 1, "conditions": [condition("Ready", "True", "InSync")]}
    path = f"{API}/namespaces/{namespace}/zookeeperclusters/{name}/status"
    rest("PATCH", path, {"status": status}, "application/merge-patch+json")


def test_the_live_view_speaks_again_when_something_changed(api_server: ApiServer, rest: Rest, namespace: str) -> None:
    create(rest, namespace, "ZooKeeperCluster", "main", {}, {})
    with live_view(api_server, namespace, stdout=subprocess.PIPE) as live:
        assert live.stdout is not None
        assert "CLUSTER" in live.stdout.readline()
        assert "unknown" in live.stdout.readline()
        become_ready(rest, namespace)
        live.stdout.readline()
        assert "ready" in live.stdout.readline()


def test_the_live_view_for_programs_is_one_document_a_line_for_each_change(
    api_server: ApiServer, rest: Rest, namespace: str
) -> None:
    create(rest, namespace, "ZooKeeperCluster", "main", {}, {})
    with live_view(api_server, namespace, "-o", "json", stdout=subprocess.PIPE) as live:
        assert live.stdout is not None
        (before,) = json.loads(live.stdout.readline())
        become_ready(rest, namespace)
        (after,) = json.loads(live.stdout.readline())
    assert (before["healthy"], after["healthy"]) == (None, True)


def test_the_live_view_of_a_terminal_is_drawn_over_and_coloured(
    api_server: ApiServer, rest: Rest, namespace: str
) -> None:
    create(rest, namespace, "ZooKeeperCluster", "main", {}, {})
    become_ready(rest, namespace)
    master, slave = pty.openpty()
    try:
        with live_view(api_server, namespace, stdout=slave):
            drawn = b""
            while drawn.count(b"\x1b[H\x1b[2J") < 2 or not drawn.endswith(b"\n"):
                drawn += os.read(master, 65536)
    finally:
        os.close(master)
        os.close(slave)
    assert b"\x1b[32mready\x1b[0m" in drawn


def test_an_empty_namespace_and_a_wrong_name_say_where_else_to_look(command: Command) -> None:
    assert "-A looks into all namespaces" in command("status")
    assert "nobody: there is no ZooKeeperCluster and no ConfigSync" in command("status", "nobody", status=1)
    assert "there is no ConfigSync of this name" in command("diff", "nobody", status=1)


def test_resolve_leaves_the_decision_on_the_sync(command: Command, rest: Rest, namespace: str) -> None:
    status = {"conflicts": [{"key": "db__pool"}, {"key": "a"}], "conflictCount": 2}
    create(rest, namespace, "ConfigSync", "shop", sync_spec(), status)
    assert (
        command("resolve", "shop", "db__pool=zookeeper")
        == "db__pool: the operator was asked to keep the value of the znode\n"
    )
    command("resolve", "shop", "a=configmap")
    assert annotations(rest, namespace, "shop")["zkoperator.dev/resolve"] == "a=configmap,db__pool=zookeeper"


def test_resolve_of_a_key_without_conflict_changes_nothing(command: Command, rest: Rest, namespace: str) -> None:
    create(rest, namespace, "ConfigSync", "shop", sync_spec(), {})
    assert "db__pool: is not in conflict" in command("resolve", "shop", "db__pool=zookeeper", status=1)
    assert annotations(rest, namespace, "shop") == {}


def test_approve_names_the_plan_that_waits(command: Command, rest: Rest, namespace: str) -> None:
    pending = {"creates": 0, "updates": 0, "deletes": 60, "hash": "h1"}
    create(rest, namespace, "ConfigSync", "shop", sync_spec(), {"pending": pending})
    assert "the plan that waits is h1 now" in command("approve", "shop", "--plan", "h0", status=1)
    assert command("approve", "shop", "--plan", "h1").startswith("approved: ")
    assert annotations(rest, namespace, "shop") == {"zkoperator.dev/approve-deletions": "h1"}


def test_plan_of_a_new_cluster_is_its_founding_and_writes_nothing(command: Command, rest: Rest, namespace: str) -> None:
    create(rest, namespace, "ZooKeeperCluster", "main", {}, {})
    before = rest("GET", f"{API}/namespaces/{namespace}/zookeeperclusters/main")
    shown = json.loads(command("plan", "main", "-o", "json"))
    assert shown["steps"] == ["record that 3 members may found the ensemble"]
    assert rest("GET", f"{API}/namespaces/{namespace}/zookeeperclusters/main") == before


@pytest.fixture
def znodes(zookeeper: Ensemble, namespace: str) -> Iterator[tuple[KazooClient, str]]:
    """Somebody else's client, and a subtree of the test's own."""
    client = KazooClient(hosts=zookeeper.hosts)
    client.start(timeout=30)
    root = f"/{namespace}"
    client.ensure_path(root)
    yield client, root
    client.delete(root, recursive=True)
    client.stop()
    client.close()


@contextmanager
def kazoo(hosts: str) -> Iterator[KazooClient]:
    client = KazooClient(hosts=hosts)
    client.start(timeout=30)
    yield client
    client.stop()
    client.close()


def test_diff_shows_what_would_be_written_where_and_no_value(
    command: Command, rest: Rest, namespace: str, zookeeper: Ensemble, znodes: tuple[KazooClient, str]
) -> None:
    client, root = znodes
    client.create(f"{root}/db", b"")
    client.create(f"{root}/db/pool", CANARY.encode())
    create(rest, namespace, "ConfigSync", "shop", sync_spec(root, zookeeper.hosts), {})
    config_map = {
        "metadata": {"name": "shop", "labels": {"zkoperator.dev/sync": "shop"}},
        "data": {"from_kubernetes": CANARY},
    }
    rest("POST", f"/api/v1/namespaces/{namespace}/configmaps", config_map)
    shown = command("diff", "shop")
    assert CANARY not in shown
    rows = {line.split()[0]: line for line in shown.splitlines()[2:]}
    assert rows["db__pool"].endswith("create in the ConfigMap")
    assert rows["from_kubernetes"].endswith("create in ZooKeeper")
    assert client.exists(f"{root}/from_kubernetes") is None


def test_diff_of_a_config_map_that_was_not_handed_over_prints_the_command(
    command: Command, rest: Rest, namespace: str, zookeeper: Ensemble, znodes: tuple[KazooClient, str]
) -> None:
    _, root = znodes
    create(rest, namespace, "ConfigSync", "shop", sync_spec(root), {})
    rest("POST", f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "shop"}})
    shown = json.loads(command("diff", "shop", "--hosts", zookeeper.hosts, "-o", "json"))
    assert f"kubectl label configmap -n {namespace} shop zkoperator.dev/sync=shop" in shown["stopped"]


def test_diff_without_a_way_to_the_ensemble_says_how_to_make_one(command: Command, rest: Rest, namespace: str) -> None:
    create(rest, namespace, "ConfigSync", "shop", sync_spec(hosts="127.0.0.1:1"), {})
    assert "kubectl port-forward" in command("diff", "shop", "--timeout", "1", status=3)


def test_an_ensemble_that_does_not_exist_is_named(command: Command, rest: Rest, namespace: str) -> None:
    source = {"clusterRef": {"name": "nowhere"}, "path": "/a"}
    create(rest, namespace, "ConfigSync", "shop", {"zookeeper": source}, {})
    assert "ClusterNotFound: there is no ZooKeeperCluster nowhere" in command("diff", "shop", status=1)


@pytest.fixture
def operator(
    api_server: ApiServer, namespace: str, zookeeper: Ensemble, tmp_path: Path, definitions: None
) -> Iterator[OperatorProcess]:
    """The operator itself, for the test's namespace."""
    settings = {"ZKOPERATOR_NAMESPACES": namespace, "ZKOPERATOR_ALLOWED_HOSTS": zookeeper.hosts}
    with OperatorProcess(api_server.kubeconfig, tmp_path / "operator.log", settings) as running:
        yield running


def reason(rest: Rest, namespace: str, name: str) -> str:
    """The reason of Ready, of the newest generation."""
    found = rest("GET", f"{API}/namespaces/{namespace}/configsyncs/{name}")
    conditions = found.get("status", {}).get("conditions", [])
    return next((str(item["reason"]) for item in conditions if item["type"] == "Ready"), "")


def data(rest: Rest, namespace: str, name: str) -> dict[str, str]:
    return dict(rest("GET", f"/api/v1/namespaces/{namespace}/configmaps/{name}").get("data") or {})


def test_deletions_that_wait_are_shown_key_by_key_before_they_are_approved(
    command: Command,
    rest: Rest,
    namespace: str,
    zookeeper: Ensemble,
    znodes: tuple[KazooClient, str],
    operator: OperatorProcess,
) -> None:
    client, root = znodes
    keys = [f"k{number}" for number in range(8)]
    for key in keys:
        client.create(f"{root}/{key}", CANARY.encode())
    create(rest, namespace, "ConfigSync", "shop", sync_spec(root, zookeeper.hosts), {})
    wait_for("the first synchronisation", lambda: reason(rest, namespace, "shop") == "InSync", limit_s=60)
    gone = keys[:6]
    together = client.transaction()  # one after another, the first would be too few for the guard
    for key in gone:
        together.delete(f"{root}/{key}")
    assert together.commit() == [True] * len(gone)
    wait_for("the guard", lambda: reason(rest, namespace, "shop") == "DeletionsHeld", limit_s=60)

    shown = json.loads(command("diff", "shop", "-o", "json"))
    waiting = [item["key"] for item in shown["differences"] if item["held"]]
    assert waiting == gone and not shown["notes"]
    assert all(f"{key} " in command("approve", "shop", "--show") for key in gone)
    assert annotations(rest, namespace, "shop") == {}
    assert set(data(rest, namespace, "shop")) >= set(gone)

    (plan,) = {json.loads(command("approve", "shop", "--show", "-o", "json"))["hash"]}
    command("approve", "shop", "--plan", plan)
    wait_for("the deletions", lambda: set(data(rest, namespace, "shop")) == set(keys) - set(gone), limit_s=60)


def test_audit_names_what_members_have_differently_and_no_value(
    command: Command, rest: Rest, namespace: str, ensembles: EnsembleFactory
) -> None:
    create(rest, namespace, "ZooKeeperCluster", "main", {}, {})
    members = [ensembles(1), ensembles(1)]
    hosts = ",".join(ensemble.hosts for ensemble in members)
    assert "main-zk-admin: there is no such Secret" in command("audit", "main", "--hosts", hosts, status=1)
    texts = {"username": "super", "password": members[0].password, "digest": digest(members[0].password)}
    secret = {"metadata": {"name": "main-zk-admin"}, "stringData": texts}
    rest("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
    for ensemble, value in zip(members, (CANARY, f"{CANARY}-2"), strict=True):
        with kazoo(ensemble.hosts) as client:
            client.create("/setting", value.encode())
    found = json.loads(command("audit", "main", "--hosts", hosts, "-o", "json", status=1, output=True))
    assert {"path": "/setting", "difference": "data", "groups": sorted([m.hosts] for m in members)} in found[
        "differences"
    ]
    text = command("audit", "main", "--hosts", hosts, status=1, output=True)
    assert "value differs" in text
    assert "Save a copy" in text
    assert CANARY not in text
    assert "two are the fewest" in command("audit", "main", status=1)
    assert "at least two members" in command("audit", "main", "--hosts", members[0].hosts, status=2)


def test_a_subtree_that_somebody_else_pushes_to_is_not_announced_as_written(
    command: Command,
    rest: Rest,
    namespace: str,
    zookeeper: Ensemble,
    znodes: tuple[KazooClient, str],
    operator: OperatorProcess,
) -> None:
    client, root = znodes
    client.create(f"{root}/colour", CANARY.encode())
    create(rest, namespace, "ConfigSync", "first", sync_spec(root, zookeeper.hosts), {})
    wait_for("the claim", lambda: reason(rest, namespace, "first") == "InSync", limit_s=60)
    create(rest, namespace, "ConfigSync", "second", sync_spec(root, zookeeper.hosts), {})
    shown = json.loads(command("diff", "second", "-o", "json"))
    assert shown["stopped"].startswith(f"SourceClaimed: ConfigSync {namespace}/first pushes")
    assert (shown["equal"], shown["differences"]) == (None, [])


def test_a_write_that_the_ensemble_refuses_is_told_beside_the_plan(
    command: Command,
    rest: Rest,
    namespace: str,
    zookeeper: Ensemble,
    znodes: tuple[KazooClient, str],
    operator: OperatorProcess,
) -> None:
    client, root = znodes
    client.create(f"{root}/colour", CANARY.encode(), acl=[make_acl("world", "anyone", read=True)])
    create(rest, namespace, "ConfigSync", "shop", sync_spec(root, zookeeper.hosts), {})
    wait_for("the first synchronisation", lambda: reason(rest, namespace, "shop") == "InSync", limit_s=60)
    edit = {"data": {"colour": "another"}}
    rest("PATCH", f"/api/v1/namespaces/{namespace}/configmaps/shop", edit, "application/merge-patch+json")
    wait_for("the refusal", lambda: reason(rest, namespace, "shop") == "Forbidden", limit_s=60)
    assert "the operator reported last: Forbidden: colour: the ensemble refuses to write it" in command("diff", "shop")
