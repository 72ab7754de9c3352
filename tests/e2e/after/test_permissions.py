"""The shipped roles against what the API server's audit log says of all end-to-end tests that ran before."""

import json
import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from tests.e2e.conftest import Manifest, kubectl

USER = "system:serviceaccount:zkoperator-system:zkoperator"
Right = tuple[str, str, str]


def rights() -> set[Right]:
    """What the shipped roles grant: (API group, resource, verb)."""
    roles = [
        json.loads(kubectl("get", "clusterrole", "zkoperator", "-o", "json")),
        json.loads(kubectl("-n", "zkoperator-system", "get", "role", "zkoperator-lease", "-o", "json")),
    ]
    rules = [rule for role in roles for rule in role["rules"]]
    return {right for rule in rules for right in product(rule["apiGroups"], rule["resources"], rule["verbs"])}


def requests() -> Iterator[Manifest]:
    with Path(os.environ["TESTBED_AUDIT_LOG"]).open() as log:
        for line in log:
            entry = json.loads(line)
            if entry["user"].get("username") == USER and entry["stage"] in ("ResponseStarted", "ResponseComplete"):
                yield entry


def right_of(entry: Manifest) -> Right:
    about = entry.get("objectRef", {})
    resource = about.get("resource", "") + (f"/{about['subresource']}" if about.get("subresource") else "")
    return about.get("apiGroup", ""), resource, entry["verb"]


@pytest.fixture(scope="module")
def entries() -> list[Manifest]:
    return list(requests())


def test_every_right_that_is_granted_was_used(entries: list[Manifest]) -> None:
    used = {right_of(entry) for entry in entries}
    # An apply that makes an object is a patch to the audit log, and needs the right to create.
    made = [right_of(entry) for entry in entries if entry["verb"] == "patch" and entry["responseStatus"]["code"] == 201]
    used |= {(group, resource, "create") for group, resource, _ in made}
    unused = rights() - used
    assert not unused, f"granted and never used: {sorted(unused)}"


def test_nothing_that_the_operator_asked_for_was_refused(entries: list[Manifest]) -> None:
    refused = [entry for entry in entries if entry["responseStatus"]["code"] in (401, 403)]
    # A namespace that is being deleted takes no new objects; this is no lack of rights.
    lacking = [entry for entry in refused if "being terminated" not in entry["responseStatus"].get("message", "")]
    assert entries, "the audit log has no request of the operator"
    assert not lacking, {right_of(entry) for entry in lacking}


def test_the_roles_have_no_wildcard_and_none_of_the_dangerous_rights() -> None:
    granted = rights()
    assert not [right for right in granted if "*" in right]
    assert not [(g, r, v) for g, r, v in granted if v in ("escalate", "bind", "impersonate")]
    assert not [(r, v) for _, r, v in granted if r == "secrets" and v in ("list", "watch", "update", "patch", "delete")]
    assert not [r for _, r, _ in granted if r.startswith(("pods/exec", "pods/attach", "nodes", "serviceaccounts"))]
