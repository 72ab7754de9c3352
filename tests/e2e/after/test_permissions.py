"""The installed roles against what the API server's audit log says of all end-to-end tests that ran before.

Two kinds of installation were at work: the cluster-wide one, with the rights for TLS, backups, nodes and Secrets, and
the one of a namespace, with the rules that every installation has. What may never be granted, whether used or not, is
in tests/unit/docs/test_manifests.py.
"""

import json
import os
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
import yaml

from tests.e2e.conftest import Manifest, kubectl
from tests.support.models.documents import ROOT

OPERATOR = re.compile(r"system:serviceaccount:zkoperator-[a-z0-9-]+:zkoperator")
"""The ServiceAccount of any installation: each has a namespace of its own."""
CLUSTER_WIDE = "system:serviceaccount:zkoperator-system:zkoperator"
FOR_TLS = {("", "secrets", "patch")} | {
    ("cert-manager.io", "certificates", verb) for verb in ("get", "create", "patch")
}
FOR_BACKUPS = {
    *(("batch", "jobs", verb) for verb in ("get", "create", "delete")),
    *(("zkoperator.dev", "zookeeperbackups", verb) for verb in ("create", "delete")),
    ("", "persistentvolumeclaims", "create"),
}
FOR_NODES = {("", resource, "get") for resource in ("nodes", "persistentvolumes")}
FOR_SECRETS = {("", "secrets", verb) for verb in ("list", "watch", "patch", "delete")}
AGGREGATED = "rbac.authorization.k8s.io/aggregate-to-edit"
OURS = f"app.kubernetes.io/name=zkoperator,!{AGGREGATED}"
"""The roles of the operator, without those for people."""
Right = tuple[str, str, str]


def rights_of(roles: list[Manifest]) -> set[Right]:
    """What roles grant: (API group, resource, verb)."""
    rules = [rule for role in roles for rule in role["rules"]]
    assert len({role["kind"] for role in roles}) == 2, "the ClusterRole and the Role of the Lease are there"
    return {right for rule in rules for right in product(rule["apiGroups"], rule["resources"], rule["verbs"])}


def rights() -> set[Right]:
    """What the installation has that is there now, the cluster-wide one."""
    return rights_of(json.loads(kubectl("get", "clusterroles,roles", "-A", "-l", OURS, "-o", "json"))["items"])


def shipped(directory: str) -> set[Right]:
    """What an installation grants that adds nothing to these manifests."""
    rendered = yaml.safe_load_all(kubectl("kustomize", str(ROOT / directory)))
    roles = [each for each in rendered if each["kind"] in ("ClusterRole", "Role")]
    return rights_of([role for role in roles if AGGREGATED not in role["metadata"]["labels"]])


def requests(log: Path) -> Iterator[Manifest]:
    with log.open() as lines:
        for line in lines:
            entry = json.loads(line)
            is_ours = OPERATOR.fullmatch(entry["user"].get("username", ""))
            if is_ours and entry["stage"] in ("ResponseStarted", "ResponseComplete"):
                yield entry


def right_of(entry: Manifest) -> Right:
    about = entry.get("objectRef", {})
    resource = about.get("resource", "") + (f"/{about['subresource']}" if about.get("subresource") else "")
    return about.get("apiGroup", ""), resource, entry["verb"]


@pytest.fixture(scope="module")
def log() -> Path:
    return Path(os.environ["TESTBED_AUDIT_LOG"])


@pytest.fixture(scope="module")
def entries(log: Path) -> list[Manifest]:
    return list(requests(log))


def test_the_audit_log_is_whole(log: Path) -> None:
    assert list(log.parent.glob(f"{log.stem}*")) == [log], "it was rotated: what is in the other files would be missed"


def test_every_right_that_is_granted_was_used(entries: list[Manifest]) -> None:
    used = {right_of(entry) for entry in entries}
    # An apply that makes an object is a patch to the audit log, and needs the right to create.
    made = [right_of(entry) for entry in entries if entry["verb"] == "patch" and entry["responseStatus"]["code"] == 201]
    used |= {(group, resource, "create") for group, resource, _ in made}
    unused = rights() - used
    assert not unused, f"granted and never used: {sorted(unused)}"


def test_the_rights_of_the_components_are_the_only_ones_that_an_installation_can_add() -> None:
    added = FOR_TLS | FOR_BACKUPS | FOR_NODES | FOR_SECRETS
    for directory in ("manifests", "manifests/namespaced"):
        assert rights() - shipped(directory) == added, directory
        assert not shipped(directory) & added, directory


def test_nothing_that_an_operator_asked_for_was_refused(entries: list[Manifest]) -> None:
    refused = [entry for entry in entries if entry["responseStatus"]["code"] in (401, 403)]
    # A namespace that is being deleted takes no new objects; this is no lack of rights.
    lacking = [entry for entry in refused if "being terminated" not in entry["responseStatus"].get("message", "")]
    assert entries, "the audit log has no request of the operator"
    assert not lacking, {(entry["user"]["username"], *right_of(entry)) for entry in lacking}


@pytest.mark.parametrize(
    "added", [FOR_TLS, FOR_BACKUPS, FOR_NODES, FOR_SECRETS], ids=["tls", "backups", "nodes", "secrets"]
)
def test_rights_that_are_added_were_used_where_they_are_granted_and_nowhere_else(
    entries: list[Manifest], added: set[Right]
) -> None:
    users = {entry["user"]["username"] for entry in entries if right_of(entry) in added}
    assert users == {CLUSTER_WIDE}


def test_both_kinds_of_installation_were_seen_at_work(entries: list[Manifest]) -> None:
    homes = {entry["user"]["username"].split(":")[2] for entry in entries}
    assert "zkoperator-system" in homes and len(homes) > 1, homes
