"""`report`: everything for support in one archive, and no value and no credential in it."""

import base64
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.fakes.kube import Operation
from tests.support.fakes.kube_texts import KubeWithTexts
from tests.support.models.canaries import Canaries
from tests.support.models.members import CLUSTER, NAMESPACE, cluster, pod
from tests.support.models.seeds import Bug, replaced
from zkoperator.cli import main
from zkoperator.cli.view import redaction
from zkoperator.ensemble.model.names import Names
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import (
    CERTIFICATES,
    CONFIG_MAPS,
    CONFIG_SYNCS,
    EVENTS,
    PODS,
    SECRETS,
    ZOOKEEPER_CLUSTERS,
    Manifest,
)

PLACE = ["-n", NAMESPACE]


def world(kube: KubeWithTexts) -> Canaries:
    """A namespace in which every place that can hold a value or a credential has one."""
    canaries = Canaries()
    plant = canaries.plant
    flags = f"-Dkey.password={plant('flag of the JVM')} -Xss1m"
    settings = {"ssl.keyStore.password": plant("spec.config"), "tickTime": 2000}
    raw = cluster(config=settings, jvm={"flags": flags}, pod={"annotations": {"a/b": plant("spec.pod.annotations")}})
    raw["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/last-applied-configuration": json.dumps({"a": plant("last applied")})
    }
    raw["status"]["operator"] = "zkoperator-system/zkoperator"
    kube.put(ZOOKEEPER_CLUSTERS, raw)
    env = [{"name": "APP_KEY", "value": plant("env of a member")}]
    member = pod("main-zk-0", env=env)
    sidecar = {"name": "agent", "image": "agent:1", "args": [plant("args of a sidecar")], "command": [plant("command")]}
    member["spec"]["containers"].append(sidecar)
    kube.put(PODS, member)
    kube.put(SECRETS, _object("v1", "Secret", "main-zk-admin", data={"password": _encoded(plant("Secret"))}))
    _put_maps(kube, canaries)
    _put_texts(kube, canaries)
    note = f"could not log in with token={plant('note of an Event')}"
    kube.put(
        EVENTS, _object("events.k8s.io/v1", "Event", "e1", regarding={"name": "main-zk-0", "kind": "Pod"}, note=note)
    )
    return canaries


def _put_maps(kube: KubeWithTexts, canaries: Canaries) -> None:
    plant = canaries.plant
    sync = _object(
        "zkoperator.dev/v1alpha1", "ConfigSync", "shop", spec={"zookeeper": {"hosts": "zk:2181", "path": "/apps/shop"}}
    )
    kube.put(CONFIG_SYNCS, {**sync, "status": {"configMap": "shop", "keys": 2}})
    target = _object(
        "v1",
        "ConfigMap",
        "shop",
        data={"db__url": plant("ConfigMap")},
        binaryData={"raw": _encoded(plant("binary value"))},
    )
    target["metadata"]["annotations"] = {"zkoperator.dev/base": plant("base")}
    kube.put(CONFIG_MAPS, target)
    files = _object("v1", "ConfigMap", "main-zk-config", data={})
    files["data"] = {"zoo.cfg": f"tickTime=2000\nssl.trustStore.password={plant('zoo.cfg')}\n"}
    files["metadata"]["labels"] = Names(NAMESPACE, CLUSTER).labels
    kube.put(CONFIG_MAPS, files)


def _put_texts(kube: KubeWithTexts, canaries: Canaries) -> None:
    plant = canaries.plant
    operator = _object(
        "v1", "Pod", "zkoperator-1", spec={"containers": [{"name": "zkoperator", "image": "zkoperator"}]}
    )
    operator["metadata"] |= {"namespace": "zkoperator-system", "labels": {"app.kubernetes.io/name": "zkoperator"}}
    kube.put(PODS, operator)
    kube.texts = {
        "main-zk-0 log": f"start: member 1\naddauth digest bob:{plant('log of a member')}\n",
        "main-zk-0 log previous": f'"superPassword": "{plant("earlier log")}"\n',
        "main-zk-0:7000 proxy/metrics": "znode_count 5\n",
        "zkoperator-1 log": f"connecting to https://op:{plant('log of the operator')}@proxy:80\n",
    }


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _object(version: str, kind: str, name: str, **parts: Any) -> Manifest:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **parts}


def written(tmp_path: Path, *words: str) -> dict[str, str]:
    """The files of the archive by their names in it."""
    file = tmp_path / "out.tar.gz"
    assert main(["report", *words, "--file", str(file), *PLACE]) == 0
    assert file.stat().st_mode & 0o077 == 0
    found = {}
    with tarfile.open(file) as archive:
        for entry in archive:
            data = archive.extractfile(entry)
            assert data is not None and entry.name.startswith("out/")
            found[entry.name.removeprefix("out/")] = data.read().decode()
    return found


def test_no_value_and_no_credential_is_in_a_report(kube: KubeWithTexts, tmp_path: Path) -> None:
    canaries = world(kube)
    files = written(tmp_path)
    assert canaries.leaks(files) == []
    assert len(canaries.planted) >= 15
    assert {
        "about.json",
        "status.txt",
        "zookeeperclusters/main.yaml",
        "configsyncs/shop.yaml",
        "pods/main-zk-0.yaml",
        "configmaps/shop.yaml",
        "configmaps/main-zk-config.yaml",
        "events.yaml",
        "logs/main-zk-0.log",
        "logs/previous/main-zk-0.log",
        "metrics/main-zk-0.txt",
        "operator/zkoperator-system/logs/zkoperator-1.log",
    } <= files.keys()


NEVER = re.compile(r"(?!)(x)")
GUARDS: dict[str, Bug] = {
    "names of settings": replaced(redaction, "_SECRET_KEY", NEVER),
    "assignments in texts": replaced(redaction, "_ASSIGNED", NEVER),
    "logins in addresses": replaced(redaction, "_IN_ADDRESS", NEVER),
    "identities of ZooKeeper": replaced(redaction, "_IDENTITY", NEVER),
    "annotations of others": replaced(redaction, "_OURS", re.compile("")),
    "annotations made from values": replaced(redaction, "_WITH_VALUES", ()),
    "containers of others": replaced(redaction, "_OUR_CONTAINERS", ("zookeeper", "zkoperator", "agent")),
    "sizes instead of values": replaced(redaction, "_size", str),
}


@pytest.mark.parametrize("guard", GUARDS)
def test_without_any_of_the_guards_something_leaks(
    kube: KubeWithTexts, tmp_path: Path, guard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    canaries = world(kube)
    GUARDS[guard](monkeypatch)
    assert canaries.leaks(written(tmp_path))


def test_what_helps_is_in_a_report(kube: KubeWithTexts, tmp_path: Path) -> None:
    world(kube)
    files = written(tmp_path)
    assert "tickTime: 2000" in files["zookeeperclusters/main.yaml"]
    assert "-Xss1m" in files["zookeeperclusters/main.yaml"]
    assert "tickTime=2000" in files["configmaps/main-zk-config.yaml"]
    assert "db__url: (23 bytes)" in files["configmaps/shop.yaml"]
    assert "image: zookeeper:3.9.5" in files["pods/main-zk-0.yaml"]
    assert "start: member 1" in files["logs/main-zk-0.log"]
    assert "ZooKeeperCluster demo/main" in files["status.txt"]


def test_secrets_are_not_even_read(kube: KubeWithTexts, tmp_path: Path) -> None:
    world(kube)
    written(tmp_path)
    assert [operation for operation in kube.operations if operation.resource == SECRETS] == []
    assert not any(operation.is_write for operation in kube.operations)


def test_what_may_not_be_read_is_noted_and_the_rest_is_there(
    kube: KubeWithTexts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world(kube)

    def refuse(operation: Operation) -> None:
        if operation.subresource or operation.namespace == "zkoperator-system":
            raise ForbiddenError(f"may not {operation.verb} {operation.resource.plural}/{operation.subresource}")

    kube.before = refuse
    files = written(tmp_path)
    assert "may not get pods/log" in json.loads(files["about.json"])["missing"]
    assert "pods/main-zk-0.yaml" in files and "logs/main-zk-0.log" not in files
    assert "parts could not be read" in capsys.readouterr().out


def test_a_name_restricts_the_report_and_a_wrong_one_is_told(
    kube: KubeWithTexts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world(kube)
    assert "configsyncs/shop.yaml" not in written(tmp_path, "main")
    assert main(["report", "other", *PLACE]) == 1
    assert (
        "namespace demo: there is no ZooKeeperCluster and no ConfigSync of this name in it" in capsys.readouterr().err
    )


def test_a_file_that_cannot_be_written_is_named(
    kube: KubeWithTexts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world(kube)
    assert main(["report", "--file", str(tmp_path / "no" / "x.tar.gz"), *PLACE]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert main(["report", "--file", str(tmp_path / "y.tar.gz"), "-o", "json", *PLACE]) == 0
    assert json.loads(capsys.readouterr().out)["files"]


@pytest.mark.parametrize(
    ("source", "is_there"), [({"issuerRef": {"name": "company"}}, True), ({"selfSigned": {}}, False)]
)
def test_a_report_has_what_cert_manager_was_asked_for_where_it_was_asked(
    kube: KubeWithTexts, tmp_path: Path, source: dict[str, Any], is_there: bool
) -> None:
    kube.put(ZOOKEEPER_CLUSTERS, cluster(tls={"client": {"certificate": source, "plaintext": "Allowed"}}))
    request = _object("cert-manager.io/v1", "Certificate", "main-zk-client", spec={"secretName": "main-zk-client-tls"})
    request["metadata"]["labels"] = Names(NAMESPACE, CLUSTER).labels
    kube.put(CERTIFICATES, request)
    assert ("certificates/main-zk-client.yaml" in written(tmp_path)) == is_there


@pytest.mark.parametrize(("restarts", "missing"), [(0, 0), (1, 1)])
def test_the_earlier_log_of_a_member_that_was_never_started_again_is_not_missed(
    kube: KubeWithTexts, tmp_path: Path, restarts: int, missing: int
) -> None:
    kube.put(ZOOKEEPER_CLUSTERS, cluster())
    member = pod("main-zk-0")
    member["status"]["containerStatuses"] = [{"name": "zookeeper", "restartCount": restarts}]
    kube.put(PODS, member)
    kube.texts = {"main-zk-0 log": "", "main-zk-0:7000 proxy/metrics": ""}
    assert len(json.loads(written(tmp_path)["about.json"])["missing"]) == missing
