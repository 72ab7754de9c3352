"""What goes wrong in the first hour with the operator, and that each time a message says what to do."""

import asyncio
import contextlib
import functools
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from kazoo.security import make_digest_acl

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.faults.crash import quiet
from tests.support.machines.operator import OperatorProcess
from tests.support.machines.testbed import ApiServerFactory
from tests.support.waiting import eventually
from tests.support.worlds.site import Plot, Site, install_crds_with
from tests.support.worlds.site import site as open_site
from tests.support.worlds.sync_user import data_is

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def operator(kubeconfig: Path, directory: Path, **settings: str) -> Iterator[OperatorProcess]:
    variables = {f"ZKOPERATOR_{name.upper()}": value for name, value in settings.items()}
    with OperatorProcess(kubeconfig, directory / "operator.log", variables) as running:
        yield running


async def says(running: OperatorProcess, *parts: str) -> str:
    """Wait until /readyz or the log says all of it."""

    async def told() -> str | None:
        text = (await asyncio.to_thread(running.fetch, "/readyz"))[1] + running.log.read_text()
        return text if all(part in text for part in parts) else None

    found = await eventually(told, within_s=180)
    assert found is not None
    return found


async def ended(running: OperatorProcess) -> int:
    await eventually(lambda: running.exit_code is not None, within_s=180)
    assert running.exit_code is not None
    return running.exit_code


async def test_without_the_definitions_it_says_how_to_install_them_and_goes_on_once_they_are(
    api_servers: ApiServerFactory, tmp_path: Path
) -> None:
    server = await asyncio.to_thread(api_servers)
    with operator(server.kubeconfig, tmp_path) as running:
        await says(running, "python -m zkoperator crds | kubectl apply")
        rest = server.rest()
        await asyncio.to_thread(install_crds_with, rest)
        rest.close()
        await eventually(lambda: running.fetch("/readyz")[0] == 200, within_s=180, every_s=0.5)


async def test_a_role_that_is_too_narrow_is_named_with_what_to_do(api_server: ApiServer, tmp_path: Path) -> None:
    kubeconfig = await asyncio.to_thread(api_server.user_kubeconfig, "newcomer")
    with operator(kubeconfig, tmp_path) as running:
        await says(running, "may not list", "add it to a Role of this user")


async def test_a_lease_that_may_not_be_written_is_named(api_server: ApiServer, namespace: str, tmp_path: Path) -> None:
    kubeconfig = await asyncio.to_thread(api_server.user_kubeconfig, "newcomer")
    with operator(kubeconfig, tmp_path, lease="true", namespace=namespace) as running:
        await says(running, f"cannot read or write the lease {namespace}/zkoperator", "add it to a Role of this user")


async def test_an_operator_whose_own_namespace_is_missing_names_it(api_server: ApiServer, tmp_path: Path) -> None:
    with operator(api_server.kubeconfig, tmp_path, lease="true", namespace="nowhere") as running:
        await says(running, "cannot read or write the lease nowhere/zkoperator", 'namespaces "nowhere" not found')


async def test_a_port_that_is_taken_is_named(api_server: ApiServer, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with operator(api_server.kubeconfig, tmp_path, port=str(port)) as running:
            assert await ended(running) == 4
    assert f"cannot listen on 127.0.0.1:{port}" in running.log.read_text()


async def test_a_misspelt_setting_is_refused_with_the_way_to_the_list(api_server: ApiServer, tmp_path: Path) -> None:
    with operator(api_server.kubeconfig, tmp_path, allowed_host="zk:2181") as running:
        assert await ended(running) == 2
    assert "ZKOPERATOR_ALLOWED_HOST: unknown variable; `zkoperator run --help` lists" in running.log.read_text()


SHOP = {"clusterRef": {"name": "main"}, "path": "/apps/shop"}


@dataclass(frozen=True)
class Refused:
    """A manifest that kubectl does not take, and what it prints."""

    claim: str
    kind: str
    spec: dict[str, Any]
    says: str

    def __str__(self) -> str:
        return self.claim.replace(" ", "-")


REFUSED = (
    Refused("a typo in a field", "ZooKeeperCluster", {"replica": 3}, 'unknown field "spec.replica"'),
    Refused("a typo in a word", "ConfigSync", {"zookeeper": SHOP, "direction": "Twoway"}, '"TwoWay"'),
    Refused(
        "a path without a slash",
        "ConfigSync",
        {"zookeeper": {**SHOP, "path": "apps/shop"}},
        "write an absolute path such as /apps/shop",
    ),
    Refused(
        "a path in the hosts",
        "ConfigSync",
        {"zookeeper": {"hosts": "zk:2181/apps", "path": "/shop"}},
        "without a path (the path goes to spec.zookeeper.path)",
    ),
    Refused(
        "neither a cluster nor hosts",
        "ConfigSync",
        {"zookeeper": {"path": "/apps/shop"}},
        "write exactly one of clusterRef",
    ),
    Refused(
        "a ConfigMap of Kubernetes",
        "ConfigSync",
        {"zookeeper": SHOP, "configMap": {"name": "kube-root-ca.crt"}},
        "choose another ConfigMap",
    ),
    Refused("too many members", "ZooKeeperCluster", {"replicas": 11}, "less than or equal to 9"),
    Refused("a key without its number", "ZooKeeperCluster", {"config": {"tickTime": "two"}}, "tickTime"),
)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_kubectl_refuses_it_with_the_field_and_the_fix(site: Site, api_server: ApiServer, case: Refused) -> None:
    meta = {"name": "main", "namespace": "default"}
    manifest = {"apiVersion": "zkoperator.dev/v1alpha1", "kind": case.kind, "metadata": meta, "spec": case.spec}
    done = subprocess.run(
        [str(api_server.kubectl), f"--kubeconfig={api_server.kubeconfig}", "apply", "--dry-run=server", "-f", "-"],
        input=json.dumps(manifest),
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert case.says in done.stderr


@pytest.fixture
async def site(api_server: ApiServer, zookeeper: Ensemble, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(api_server, zookeeper, tmp_path) as opened:
        yield opened


@dataclass(frozen=True)
class Stuck:
    """An object that cannot work as it is: what is there before, its spec, and what its condition says."""

    claim: str
    reason: str
    says: tuple[str, ...]
    name: str
    spec: dict[str, Any] = field(default_factory=dict)
    kind: str = "configsyncs"
    before: tuple[str, dict[str, Any]] | None = None
    znodes: dict[str, str] = field(default_factory=dict)
    password: str = ""
    """What the subtree really asks of the user shop."""


def existing(name: str, data: dict[str, str], label: str = "") -> tuple[str, dict[str, Any]]:
    labels = {"labels": {"zkoperator.dev/sync": label}} if label else {}
    return "configmaps", {"metadata": {"name": name, **labels}, "data": data}


STUCK = (
    Stuck(
        "a cluster that is not in this namespace",
        "ClusterNotFound",
        ("there is no ZooKeeperCluster elsewhere in this namespace", "spec.zookeeper.hosts"),
        "no-cluster",
        {"zookeeper": {"clusterRef": {"name": "elsewhere"}, "hosts": None}},
    ),
    Stuck(
        "hosts that nobody allowed",
        "HostNotAllowed",
        ("zk.example.com:2181 is not among the hosts that the operator allows (--allowed-hosts)",),
        "no-host",
        {"zookeeper": {"hosts": "zk.example.com:2181"}},
    ),
    Stuck(
        "a Secret that is not there",
        "CredentialsNotFound",
        ("there is no Secret shop-zk with the keys username and password",),
        "no-secret",
        {"zookeeper": {"credentialsSecret": "shop-zk"}},
    ),
    Stuck(
        "a wrong password in the Secret",
        "Forbidden",
        ("the ensemble refuses to show this znode", "its ACL must admit spec.zookeeper.credentialsSecret"),
        "wrong",
        {"zookeeper": {"credentialsSecret": "wrong"}},
        before=("secrets", {"metadata": {"name": "wrong"}, "stringData": {"username": "shop", "password": "guessed"}}),
        znodes={"wrong": "", "wrong__a": "1"},
        password="right",
    ),
    Stuck(
        "a path that does not exist",
        "SourceMissing",
        ("does not exist; nothing is deleted or written until it does",),
        "no-path",
        {"zookeeper": {"path": "/not/there"}},
    ),
    Stuck(
        "a ConfigMap that was there before",
        "TargetNotAdopted",
        ("kubectl label configmap -n", "unadopted zkoperator.dev/sync=unadopted"),
        "unadopted",
        before=existing("unadopted", {"a": "1"}),
    ),
    Stuck(
        "a ConfigMap of another ConfigSync",
        "TargetOwned",
        ("ConfigMap owned belongs to ConfigSync other, by its label",),
        "owned",
        before=existing("owned", {"a": "1"}, "other"),
    ),
    Stuck(
        "both sides different at the first synchronisation",
        "Conflict",
        ("a: edited differently on both sides", "zkoperator.dev/resolve=a=zookeeper", "a=configmap"),
        "differing",
        {"direction": "TwoWay"},
        before=existing("differing", {"a": "1"}, "differing"),
        znodes={"differing": "", "differing__a": "2"},
    ),
    Stuck(
        "a memory limit below the heap",
        "InvalidSpec",
        ("spec.resources.limits[memory]", "write more: the heap would be 32 MiB"),
        "heap",
        {"resources": {"limits": {"memory": "64Mi"}}},
        kind="zookeeperclusters",
    ),
    Stuck(
        "a request above the limit",
        "InvalidSpec",
        ("spec.resources.requests[cpu]", "write at most the limit, 1"),
        "request",
        {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
        kind="zookeeperclusters",
    ),
    Stuck(
        "an object that has the cluster's name",
        "ForeignObject",
        ("Service foreign-zk was not made by this operator; delete or rename it, it is never adopted",),
        "foreign",
        {"replicas": 1},
        kind="zookeeperclusters",
        before=("services", {"metadata": {"name": "foreign-zk"}, "spec": {"ports": [{"port": 80}]}}),
    ),
)


async def test_every_condition_says_what_to_do(site: Site) -> None:
    """One operator and one namespace for all of them: it is their start that takes long."""
    async with site.plot() as plot:
        for case in STUCK:
            await _prepare(plot, case)
        with site.operator(plot.settings):
            told = {
                case.claim: await eventually(functools.partial(_message, plot, case), within_s=180) for case in STUCK
            }
    silent = {case.claim: told[case.claim] for case in STUCK if any(part not in told[case.claim] for part in case.says)}
    assert silent == {}


async def test_an_object_in_a_namespace_that_is_not_watched_is_told_so_by_the_cli(site: Site) -> None:
    async with site.plot() as watched, site.plot() as other:
        await watched.put(color="red")
        await watched.sync()
        await other.sync()
        with site.operator(watched.settings) as running:
            await data_is(watched, {"color": "red"}, within_s=90)
            assert f"acting in {watched.namespace}" in running.log.read_text()
            shown = await asyncio.to_thread(status_of, site, other.namespace)
            assert "shop" in shown and "does it watch this namespace?" in shown
            assert "does it watch" not in await asyncio.to_thread(status_of, site, watched.namespace)
            assert await other.condition() == ("", "")


def status_of(site: Site, namespace: str) -> str:
    """What `kubectl zk status` prints."""
    words = ["status", "-n", namespace, "--kubeconfig", str(site.kubeconfig)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["operator", os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "zkoperator", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120).stdout


async def test_two_operators_on_the_same_objects_are_named_and_leave_one_another_in_peace(site: Site) -> None:
    async with site.plot() as plot:
        await plot.put(color="red")
        await plot.sync()
        older = site.operator(plot.settings | {"ZKOPERATOR_IDENTITY": "older"})
        newer = site.operator(plot.settings | {"ZKOPERATOR_IDENTITY": "newer"})
        with older, newer:
            await data_is(plot, {"color": "red"}, within_s=90)
            told = "another operator, newer, writes to this object as well as this one, older: remove one of the two"
            late = told.replace("newer", "-").replace("older", "newer").replace("-", "older")

            async def named() -> bool:
                events = (await site.kube.get(f"/apis/events.k8s.io/v1/namespaces/{plot.namespace}/events"))["items"]
                notes = [event["note"] for event in events if event["reason"] == "AnotherOperator"]
                logs = older.log.read_text() + newer.log.read_text()
                return any(text in logs and any(note.startswith(text) for note in notes) for text in (told, late))

            await eventually(named, within_s=60)
            for number in range(5):
                await plot.put(color=f"green-{number}")
                await data_is(plot, {"color": f"green-{number}"}, within_s=30)
            await quiet(site)


async def _prepare(plot: Plot, case: Stuck) -> None:
    await plot.put(**case.znodes)
    if case.password:
        for name in case.znodes:
            path = f"{plot.root}/{name.replace('__', '/')}"
            await plot.site.ask("set_acls", path, [make_digest_acl("shop", case.password, all=True)])
    if case.before is not None:
        await plot.site.kube.create(f"{plot.core}/{case.before[0]}", case.before[1])
    spec, kind = case.spec, "ZooKeeperCluster"
    if case.kind == "configsyncs":
        zookeeper = {
            "hosts": plot.site.zk_proxy.hosts,
            "path": f"{plot.root}/{case.name}",
            **case.spec.get("zookeeper", {}),
        }
        named = {name: value for name, value in zookeeper.items() if value is not None}
        spec, kind = {**case.spec, "zookeeper": named}, "ConfigSync"
    manifest = {"apiVersion": "zkoperator.dev/v1alpha1", "kind": kind, "metadata": {"name": case.name}, "spec": spec}
    await plot.site.kube.create(f"{plot.custom}/{case.kind}", manifest)


async def _message(plot: Plot, case: Stuck) -> str | None:
    found = await plot.site.kube.find(f"{plot.custom}/{case.kind}/{case.name}")
    conditions = ((found or {}).get("status") or {}).get("conditions") or []
    assert conditions, f"{case.claim}: no status yet"
    return next((str(c["message"]) for c in conditions if c["reason"] == case.reason), None)
