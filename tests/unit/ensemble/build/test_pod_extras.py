"""What `spec.pod` adds to the pods, and what it can never take from the member."""

import re
from typing import Any

import pytest

from tests.support.models.ensemble_simulation import raw_cluster, valid
from tests.support.models.pod_fields import CHANGES, FULL
from zkoperator.api.container import ContainerPort
from zkoperator.api.reserved import CONTAINER, PATHS, PORT_NAMES, PORTS, VARIABLE_PREFIXES, VARIABLES, VOLUMES
from zkoperator.ensemble.build.networkpolicy import network_policy
from zkoperator.ensemble.build.statefulset import revision, stateful_set
from zkoperator.ensemble.model.names import CONTAINER as NAME_OF_CONTAINER
from zkoperator.ensemble.model.tls import QuorumPhase, TlsState
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.errors import InvalidError

EPHEMERAL = {"type": "Ephemeral", "size": "1Gi"}


def cluster(pod: dict[str, Any] | None = None, **spec: Any) -> ValidatedCluster:
    return valid(raw_cluster(**(spec if pod is None else {**spec, "pod": pod})))


def template_of(found: ValidatedCluster) -> dict[str, Any]:
    template: dict[str, Any] = stateful_set(found, 3, bootstrap="word", secret_id="s")["spec"]["template"]
    return template


def spec_of(pod: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = template_of(cluster(pod, **spec))["spec"]
    return found


def with_tls(**pod: Any) -> ValidatedCluster:
    certificate: dict[str, Any] = {"certificate": {"selfSigned": {}}}
    found = cluster(
        pod, storage=EPHEMERAL, tls={"client": {**certificate, "plaintext": "Refused"}, "quorum": certificate}
    )
    assert found.tls == TlsState(client=True, quorum=QuorumPhase.TLS)
    return found


def test_everything_that_a_member_has_of_its_own_is_kept_from_others() -> None:
    """A new variable, volume, mount or port of the member must be on the lists as well."""
    for found in (with_tls(), cluster()):
        spec = template_of(found)["spec"]
        (container,) = spec["containers"]
        assert container["name"] == CONTAINER == NAME_OF_CONTAINER
        names = {each["name"] for each in container["env"]}
        assert [name for name in names if name not in VARIABLES and not name.startswith(VARIABLE_PREFIXES)] == []
        assert {volume["name"] for volume in spec["volumes"]} <= set(VOLUMES)
        assert {mount["mountPath"] for mount in container["volumeMounts"]} <= set(PATHS)
        assert {port["containerPort"] for port in container["ports"]} <= set(PORTS)
        assert {port["name"] for port in container["ports"]} <= set(PORT_NAMES)
        claims = stateful_set(found, 3, bootstrap="", secret_id="s")["spec"].get("volumeClaimTemplates", [])
        assert {claim["metadata"]["name"] for claim in claims} <= set(VOLUMES)


@pytest.mark.parametrize("pod", CHANGES)
def test_the_members_own_parts_are_there_whatever_is_added(pod: dict[str, Any]) -> None:
    bare, spec = spec_of(), spec_of(pod)
    own, container = bare["containers"][0], spec["containers"][0]
    for part in ("name", "image", "command", "ports", "resources", "securityContext", "lifecycle", "readinessProbe"):
        assert container[part] == own[part]
    for part in ("env", "volumeMounts"):
        assert [entry for entry in container[part] if entry in own[part]] == own[part]
    assert spec["volumes"][: len(bare["volumes"])] == bare["volumes"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert not {"hostNetwork", "hostPID", "hostIPC", "restartPolicy", "shareProcessNamespace"} & spec.keys()


def test_what_founds_an_ensemble_stands_in_the_members_own_container() -> None:
    containers = template_of(cluster(FULL))["spec"]["containers"]
    founders = [each["name"] for each in containers for env in each.get("env", ()) if env["name"] == "ZK_BOOTSTRAP"]
    assert founders == [CONTAINER]


def test_a_pod_as_it_was_before_these_fields_is_as_it_was() -> None:
    """The digests are those of an operator without them: an upgrade of the operator restarts nobody."""
    placed = {
        "labels": {"team": "a"},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"operator": "Exists"}],
        "priorityClassName": "x",
    }
    assert revision(cluster(), "s") == "061dfe7bf8e8e469"
    assert revision(cluster(placed, storage=EPHEMERAL), "s") == "7656a7fda14be597"
    assert spec_of({"env": [], "containers": [], "volumes": []}) == spec_of()
    assert revision(cluster({"env": [], "containers": [], "hostAliases": []}), "s") == "061dfe7bf8e8e469"


@pytest.mark.parametrize("field", FULL)
def test_each_field_restarts_the_members_through_the_gate(field: str) -> None:
    needed = {"volumes": FULL["volumes"]} if field in ("volumeMounts", "containers", "initContainers") else {}
    assert revision(cluster({**needed, field: FULL[field]}), "s") != revision(cluster(needed), "s")


def test_the_platform_assigns_the_user_where_the_spec_says_so() -> None:
    assert spec_of()["securityContext"]["runAsUser"] == 1000
    assigned = spec_of({"securityContext": {}})["securityContext"]
    assert assigned == {
        "runAsNonRoot": True,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    own = spec_of({"securityContext": {"runAsUser": 5000, "fsGroup": 5001}})["securityContext"]
    assert (own["runAsUser"], own.get("runAsGroup"), own["fsGroup"]) == (5000, None, 5001)


def test_any_user_can_read_the_certificates() -> None:
    """Without a group that owns the volumes, files of a Secret belong to root."""

    def mode(found: ValidatedCluster) -> int:
        volumes = template_of(found)["spec"]["volumes"]
        return next(int(each["secret"]["defaultMode"]) for each in volumes if each["name"] == "certificates")

    assert mode(with_tls()) == mode(with_tls(securityContext={"fsGroup": 5000})) == 0o440
    assert mode(with_tls(securityContext={})) == 0o444


def test_a_sidecar_that_says_nothing_of_its_rights_passes_pod_security_restricted() -> None:
    (_, sidecar) = spec_of({"containers": [{"name": "a", "image": "a"}]})["containers"]
    assert sidecar["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_the_network_policy_lets_clients_reach_the_ports_of_sidecars_and_nothing_more() -> None:
    ports = [ContainerPort(container_port=9100).manifest(), {"containerPort": 5140, "protocol": "UDP"}]
    policy = network_policy(cluster({"containers": [{"name": "a", "image": "a", "ports": ports}]}))["spec"]["ingress"]
    assert policy[:-1] == network_policy(cluster())["spec"]["ingress"]
    assert policy[-1] == {"ports": [{"port": 5140, "protocol": "UDP"}, {"port": 9100, "protocol": "TCP"}]}


def test_nobody_redirects_the_names_of_members() -> None:
    alias = {"ip": "10.0.0.1", "hostnames": ["main-zk-0.main-zk-members.demo.svc.cluster.local"]}
    with pytest.raises(InvalidError, match=re.escape("spec.pod.hostAliases[0].hostnames: remove main-zk-0.main-zk")):
        cluster({"hostAliases": [alias]})
