"""The children's manifests: what each of them must and must not say."""

import json
import re
from typing import Any

import pytest

from tests.support.models.ensemble_simulation import raw_cluster, valid
from zkoperator.ensemble.build.configmap import config_map
from zkoperator.ensemble.build.disruption_budget import disruption_budget
from zkoperator.ensemble.build.networkpolicy import network_policy
from zkoperator.ensemble.build.render import render
from zkoperator.ensemble.build.secret import digest, password_in, secret
from zkoperator.ensemble.build.services import members_service
from zkoperator.ensemble.build.statefulset import revision, stateful_set
from zkoperator.ensemble.build.zoocfg import zoo_cfg
from zkoperator.ensemble.model.names import REVISION, TEMPLATE
from zkoperator.ensemble.plan.drift import covers, repair_patch
from zkoperator.ensemble.validate import Defaults, ValidatedCluster, validate

REQUIRED, PREFERRED = (f"{word}DuringSchedulingIgnoredDuringExecution" for word in ("required", "preferred"))
SELECTOR: dict[str, Any] = {
    "matchLabels": {"app.kubernetes.io/name": "zookeeper", "empty": ""},
    "matchExpressions": [
        {"key": "team", "operator": "In", "values": ["a", "b"]},
        {"key": "team", "operator": "NotIn", "values": ["c"]},
        {"key": "example.com/team", "operator": "Exists"},
        {"key": "batch", "operator": "DoesNotExist", "values": []},
    ],
}
PODS: dict[str, Any] = {
    "labelSelector": SELECTOR,
    "namespaces": ["shop"],
    "namespaceSelector": {},
    "topologyKey": "kubernetes.io/hostname",
    "matchLabelKeys": ["team"],
    "mismatchLabelKeys": ["batch"],
}
NODES: dict[str, Any] = {
    "matchExpressions": [
        {"key": "cores", "operator": "Gt", "values": ["3"]},
        {"key": "cores", "operator": "Lt", "values": ["65"]},
    ],
    "matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["node-1"]}],
}
PODS_OF_BOTH: dict[str, Any] = {
    REQUIRED: [PODS, {"topologyKey": "topology.kubernetes.io/zone"}],
    PREFERRED: [{"weight": 1, "podAffinityTerm": PODS}, {"weight": 100, "podAffinityTerm": PODS}],
}
AFFINITY: dict[str, Any] = {
    "nodeAffinity": {
        REQUIRED: {"nodeSelectorTerms": [NODES, {}]},
        PREFERRED: [{"weight": 50, "preference": NODES}],
    },
    "podAffinity": PODS_OF_BOTH,
    "podAntiAffinity": PODS_OF_BOTH,
}


def cluster(**spec: Any) -> ValidatedCluster:
    return valid(raw_cluster(**spec))


def pod_of(**spec: Any) -> dict[str, Any]:
    manifest = stateful_set(cluster(**spec), 3, bootstrap="", secret_id="s")
    template: dict[str, Any] = manifest["spec"]["template"]
    return template


def test_pods_keep_to_pod_security_restricted() -> None:
    spec = pod_of()["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all(set(volume) <= {"name", "configMap", "emptyDir"} for volume in spec["volumes"])


def test_the_fixed_entries_of_zoo_cfg_win_over_the_users() -> None:
    lines = zoo_cfg(cluster(config={"tickTime": "3000", "snapCount": "5000"})).splitlines()
    assert "tickTime=3000" in lines
    assert "snapCount=5000" in lines
    assert "reconfigEnabled=true" in lines
    assert "standaloneEnabled=false" in lines
    assert not [line for line in lines if line.startswith(("server.", "clientPort", "dynamicConfigFile", "skipACL"))]
    assert len({line.partition("=")[0] for line in lines}) == len(lines)


def test_an_empty_disk_may_not_create_a_database_and_names_are_cached_briefly() -> None:
    (container,) = pod_of(jvm={"flags": ["-XX:+UseZGC"]})["spec"]["containers"]
    environment = {entry["name"]: entry.get("value", "") for entry in container["env"]}
    flags = environment["SERVER_JVMFLAGS"].split()
    assert "-Dzookeeper.db.autocreate=false" in flags
    assert "-Dsun.net.inetaddr.ttl=1" in flags
    assert flags[-1] == "-XX:+UseZGC"
    assert environment["ZK_SERVER_HEAP"] == "512"


@pytest.mark.parametrize(
    "change",
    [
        {"image": "zookeeper:3.9.9"},
        {"config": {"tickTime": "3000"}},
        {"jvm": {"heapPercent": 60}},
        {"resources": {"limits": {"memory": "2Gi"}}},
        {"pod": {"labels": {"a": "b"}}},
        {"logLevel": "WARN"},
    ],
)
def test_what_a_member_must_restart_for_changes_the_revision(change: dict[str, Any]) -> None:
    assert revision(cluster(**change), "s") != revision(cluster(), "s")


@pytest.mark.parametrize(
    "change",
    [
        {"replicas": 5},
        {"imagePullPolicy": "Always"},
        {"imagePullSecrets": [{"name": "x"}]},
        {"storage": {"retention": {"whenDeleted": "Delete"}}},
        {"paused": True},
        {"config": {"tickTime": "2000"}},
    ],
)
def test_what_needs_no_restart_leaves_the_revision(change: dict[str, Any]) -> None:
    assert revision(cluster(**change), "s") == revision(cluster(), "s")


def test_an_amount_in_other_words_leaves_the_revision() -> None:
    one, other, more = (cluster(resources={"limits": {"memory": amount}}) for amount in ("1Gi", "1024Mi", "1025Mi"))
    assert revision(one, "s") == revision(other, "s") != revision(more, "s")


def test_the_permission_to_found_is_in_no_digest() -> None:
    with_word = stateful_set(cluster(), 3, bootstrap="word", secret_id="s")["spec"]["template"]["metadata"]
    without = stateful_set(cluster(), 3, bootstrap="", secret_id="s")["spec"]["template"]["metadata"]
    assert with_word == without
    assert {REVISION, TEMPLATE} <= set(without["annotations"])


@pytest.mark.parametrize("affinity", [AFFINITY, {"nodeAffinity": {}}, {"podAffinity": {REQUIRED: []}}])
def test_affinity_reaches_the_pods_as_it_is_written(affinity: dict[str, Any]) -> None:
    assert pod_of(pod={"affinity": affinity})["spec"]["affinity"] == affinity
    assert cluster(pod={"affinity": affinity}).spec.pod.manifest()["affinity"] == affinity


def test_an_affinity_that_says_nothing_is_not_written() -> None:
    assert "affinity" not in pod_of(pod={"affinity": {}})["spec"]


@pytest.mark.parametrize("selector", [SELECTOR, {}, {"matchLabels": {}}])
def test_a_spread_reaches_the_pods_as_it_is_written(selector: dict[str, Any]) -> None:
    asked = {
        "maxSkew": 2,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": selector,
        "matchLabelKeys": ["team"],
    }
    assert pod_of(pod={"topologySpreadConstraints": [asked]})["spec"]["topologySpreadConstraints"] == [asked]


def test_a_users_labels_never_replace_ours() -> None:
    template = pod_of(pod={"labels": {"team": "a"}, "annotations": {"note": "b"}})
    assert template["metadata"]["labels"]["team"] == "a"
    assert template["metadata"]["labels"]["app.kubernetes.io/instance"] == "main"
    assert template["metadata"]["annotations"]["note"] == "b"


def test_a_single_member_lets_its_node_go_only_where_the_spec_says_so() -> None:
    allowed = {"disruption": {"singleMember": "Allow"}}
    budgets = [disruption_budget(cluster(replicas=1, **spec), 1)["spec"] for spec in ({}, allowed)]
    assert [budget["maxUnavailable"] for budget in budgets] == [0, 1]
    # A budget that needs nobody lets no pod pass that is not ready: such a member would hold its node all the same.
    assert [budget["unhealthyPodEvictionPolicy"] for budget in budgets] == ["IfHealthyBudget", "AlwaysAllow"]
    growing = disruption_budget(cluster(replicas=3, **allowed), 1)["spec"]
    assert (growing["maxUnavailable"], growing["unhealthyPodEvictionPolicy"]) == (0, "IfHealthyBudget")


@pytest.mark.parametrize(("voters", "unavailable"), [(1, 0), (2, 0), (3, 1), (4, 1), (5, 1), (9, 1)])
def test_the_budget_follows_from_the_quorum(voters: int, unavailable: int) -> None:
    assert disruption_budget(cluster(), voters)["spec"]["maxUnavailable"] == unavailable


def test_only_members_reach_the_quorum_ports() -> None:
    rules = network_policy(cluster())["spec"]["ingress"]
    by_port = {port["port"]: rule.get("from") for rule in rules for port in rule["ports"]}
    assert by_port[2181] is by_port[7000] is None
    assert by_port[2888] == by_port[3888] == [{"podSelector": {"matchLabels": cluster().names.selector}}]


def test_members_find_one_another_before_they_are_ready() -> None:
    spec = members_service(cluster())["spec"]
    assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True)


def test_a_secret_is_read_back_only_when_its_digest_fits() -> None:
    manifest = secret(cluster(), "p4ss")
    assert password_in(manifest) == "p4ss"
    assert digest("test") == "super:D/InIHSb7yEEbrWz8b9l71RjZJU="
    assert password_in({"data": {**manifest["data"], "digest": "eA=="}}) is None
    assert password_in({"data": {}}) is None


def test_everything_that_is_made_belongs_to_the_cluster() -> None:
    manifests = render(cluster(observers={"replicas": 2}))
    assert [m["kind"] for m in manifests] == [
        "ConfigMap",
        "Service",
        "Service",
        "PodDisruptionBudget",
        "NetworkPolicy",
        "StatefulSet",
        "Service",
        "PodDisruptionBudget",
        "StatefulSet",
        "ConfigMap",
    ]
    for manifest in manifests:
        (owner,) = manifest["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == ("uid-of-main", True)


def test_defaults_that_the_server_fills_in_are_no_drift() -> None:
    wanted = members_service(cluster())
    live = {**wanted, "spec": {**wanted["spec"], "type": "ClusterIP", "sessionAffinity": "None"}, "status": {}}
    assert covers(live, wanted)


@pytest.mark.parametrize(
    "change",
    [
        {"selector": {"a": "b"}},
        {"publishNotReadyAddresses": False},
        {"ports": []},
        {"clusterIP": "10.0.0.1"},
    ],
)
def test_an_edit_by_hand_is_drift(change: dict[str, Any]) -> None:
    wanted = members_service(cluster())
    assert not covers({**wanted, "spec": {**wanted["spec"], **change}}, wanted)


def test_a_key_that_was_added_to_a_selector_is_drift_and_is_taken_away() -> None:
    wanted = members_service(cluster())
    live = {**wanted, "spec": {**wanted["spec"], "selector": {**wanted["spec"]["selector"], "stray": "x"}}}
    assert not covers(live, wanted)
    assert repair_patch(live, wanted)["spec"]["selector"]["stray"] is None


def test_amounts_in_another_spelling_are_no_drift() -> None:
    wanted = pod_of(resources={"limits": {"memory": "1024Mi", "cpu": "0.5"}})
    live = pod_of(resources={"limits": {"memory": "1Gi", "cpu": "500m"}})
    assert covers(
        {"spec": live["spec"]["containers"][0]["resources"]}, {"spec": wanted["spec"]["containers"][0]["resources"]}
    )


def test_the_configmap_holds_no_secret_and_the_level_of_the_logs() -> None:
    data = config_map(cluster(logLevel="WARN"), (), "")["data"]
    assert '<root level="WARN">' in data["logback.xml"]
    assert '<root level="INFO">' in config_map(cluster(), (), "")["data"]["logback.xml"]
    assert "Digest" not in "".join(data.values())


def test_every_name_is_in_the_domain_of_the_kubernetes_cluster() -> None:
    raw = raw_cluster(tls={"client": {"certificate": {"selfSigned": {}}, "plaintext": "Allowed"}})
    made, other = (
        json.dumps(render(validate(raw, Defaults("zookeeper:3.9.5", domain=domain))))
        for domain in ("cluster.local", "corp.example")
    )
    assert ".svc.cluster.local" in made
    assert other == made.replace("cluster.local", "corp.example").replace(_templates(made)[0], _templates(other)[0])


def _templates(text: str) -> list[str]:
    """The digests of pod templates, which cover the names."""
    return re.findall(f'"{TEMPLATE}": "([0-9a-f]+)"', text)
