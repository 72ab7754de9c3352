"""What the manifests grant and say, as far as it can be read in the files."""

import dataclasses
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from zkoperator import __version__
from zkoperator.ensemble.build.children import FOLLOWED, Child
from zkoperator.mirror.observe.hash_key import hash_key_name
from zkoperator.settings import Settings, variable_of

ROOT = Path(__file__).parents[3]
MANIFESTS = ROOT / "manifests"
WRITES = {"update", "patch", "delete", "deletecollection", "create"}


def documents(*names: str) -> Iterator[dict[str, Any]]:
    for name in names:
        yield from filter(None, yaml.safe_load_all((MANIFESTS / name).read_text()))


def rules() -> list[dict[str, Any]]:
    return [rule for document in documents("operator/rbac.yaml") for rule in document.get("rules", ())]


def rights() -> set[tuple[str, str]]:
    return {(resource, verb) for rule in rules() for resource in rule["resources"] for verb in rule["verbs"]}


def deployment() -> dict[str, Any]:
    (found,) = documents("operator/deployment.yaml")
    return found


def test_the_roles_have_no_wildcard() -> None:
    assert rules()
    assert not [rule for rule in rules() if "*" in {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}]
    assert not [rule for rule in rules() if "nonResourceURLs" in rule]


def test_the_roles_have_none_of_the_rights_that_lead_to_others() -> None:
    assert not [(resource, verb) for resource, verb in rights() if verb in ("escalate", "bind", "impersonate")]
    dangerous = ("pods/exec", "pods/attach", "pods/portforward", "nodes", "serviceaccounts", "roles", "clusterroles")
    assert not [resource for resource, _ in rights() if resource.startswith(dangerous)]
    assert ("pods", "create") not in rights()


def test_the_roles_let_each_child_be_followed_and_written() -> None:
    followed = {(resource.plural, verb) for resource in FOLLOWED for verb in ("get", "list", "watch")}
    written = {(child.resource.plural, verb) for child in Child for verb in ("create", "patch")}
    assert followed | written <= rights()


def test_secrets_are_read_by_name_and_never_listed_or_changed() -> None:
    assert {verb for resource, verb in rights() if resource == "secrets"} == {"get", "create"}


COMPONENTS = ("tls", "cert-manager", "backup", "nodes", "secrets")


def test_two_components_let_secrets_be_changed_and_one_of_them_lets_them_be_listed_and_deleted() -> None:
    granted = {}
    for component in COMPONENTS:
        patches = yaml.safe_load((MANIFESTS / component / "rules.yaml").read_text())
        granted[component] = [patch["value"]["verbs"] for patch in patches if "secrets" in patch["value"]["resources"]]
    assert {component: verbs for component, verbs in granted.items() if verbs} == {
        "tls": [["patch"]],
        "secrets": [["list", "watch", "patch", "delete"]],
    }


def test_the_key_of_hashes_may_be_made_and_read_by_its_name_in_the_operator_s_namespace_alone() -> None:
    kustomization = yaml.safe_load((MANIFESTS / "secrets" / "kustomization.yaml").read_text())
    (role,) = (each["target"]["name"] for each in kustomization["patches"] if each["target"]["kind"] == "Role")
    assert role in {each["metadata"]["name"] for each in documents("operator/rbac.yaml") if each["kind"] == "Role"}
    create, read = (patch["value"] for patch in yaml.safe_load((MANIFESTS / "secrets" / "hash-key.yaml").read_text()))
    assert (create["verbs"], read["verbs"]) == (["create"], ["get"])
    assert read["resourceNames"] == [hash_key_name(Settings().lease_name)]


def test_components_change_nothing_but_the_roles_and_settings_of_the_operator() -> None:
    for component in COMPONENTS:
        kustomization = yaml.safe_load((MANIFESTS / component / "kustomization.yaml").read_text())
        targets = {each["target"]["kind"]: each["target"]["name"] for each in kustomization["patches"]}
        assert kustomization["kind"] == "Component"
        assert targets.pop("ClusterRole") in {each["metadata"]["name"] for each in documents("operator/rbac.yaml")}
        assert targets.pop("Role", "zkoperator-lease") == "zkoperator-lease"
        assert targets in ({}, {"Deployment": "zkoperator"})


def test_the_definitions_themselves_are_not_the_operator_s_to_touch() -> None:
    kinds = ("zookeeperclusters", "configsyncs", "zookeeperbackups", "zookeeperbackupschedules", "znodes")
    assert not [(r, v) for r, v in rights() if r in kinds and v in WRITES - {"patch"}]
    assert not [resource for resource, _ in rights() if resource == "customresourcedefinitions"]


def test_the_namespaced_installation_has_rights_in_the_namespaces_that_it_names_only() -> None:
    files = sorted((MANIFESTS / "namespaced").rglob("*.yaml"))
    found = list(documents(*(str(file.relative_to(MANIFESTS)) for file in files)))
    assert not [document for document in found if document["kind"].startswith("ClusterRole")]
    (named,) = re.findall(r'ZKOPERATOR_NAMESPACES, value: "(.*?)"', "".join(file.read_text() for file in files))
    bindings = [document for document in found if document["kind"] == "RoleBinding"]
    assert {binding["metadata"]["namespace"] for binding in bindings} == set(named.split(","))
    (home,) = (document["metadata"]["name"] for document in found if document["kind"] == "Namespace")
    for binding in bindings:
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "zkoperator", "namespace": home}]


def test_two_installations_share_no_object_that_removing_one_would_take_from_the_other() -> None:
    """All of the base is namespaced but its ClusterRoles, which the namespaced installation renames."""
    base = documents("operator/rbac.yaml", "operator/people.yaml")
    shared = {document["metadata"]["name"] for document in base if document["kind"].startswith("Cluster")}
    own = yaml.safe_load((MANIFESTS / "namespaced/operator/kustomization.yaml").read_text())
    patches = [patch for patch in own["patches"] if patch["target"]["kind"] == "ClusterRole"]
    renamed = {patch["target"]["name"]: yaml.safe_load(patch["patch"])[0]["value"] for patch in patches}
    assert renamed.keys() == shared
    assert not renamed.keys() & set(renamed.values())
    (bound,) = {document["roleRef"]["name"] for document in documents("namespaced/team-a.yaml")}
    assert renamed["zkoperator"] == bound


def test_what_every_installation_has_names_no_namespace() -> None:
    """Kustomize replaces none that is written out: a binding would go on giving its rights to another installation."""
    files = ("rbac", "deployment", "networkpolicy")
    assert not [
        name for name in files if re.search(r"namespace: \w", (MANIFESTS / f"operator/{name}.yaml").read_text())
    ]


def test_the_pod_is_restricted_and_its_root_is_read_only() -> None:
    pod = deployment()["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"]
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]


def test_no_service_beside_the_operator_gives_it_settings() -> None:
    assert deployment()["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_every_variable_of_the_deployment_is_a_setting() -> None:
    (container,) = deployment()["spec"]["template"]["spec"]["containers"]
    settings = {variable_of(field.name) for field in dataclasses.fields(Settings)}
    assert {variable["name"] for variable in container["env"]} <= settings


def test_the_version_is_the_same_wherever_it_stands() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = yaml.safe_load((MANIFESTS / "operator/kustomization.yaml").read_text())["images"]
    shown = {
        version
        for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
        for version in re.findall(r"(?:zkoperator:|newTag: )(\d+\.\d+\.\d+)", page.read_text())
    }
    newest = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    assert shown
    assert {project, *(image["newTag"] for image in images), *shown, newest} == {__version__}


def test_the_build_gets_nothing_but_what_the_dockerfile_copies() -> None:
    copied = re.findall(r"^COPY (?!--from)(\S+) ", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line.removeprefix("!") for line in lines if line.startswith("!")]
    assert "*" in lines and sorted(kept) == sorted(copied)
    assert lines.index("**/__pycache__") > max(lines.index(f"!{name}") for name in kept)
