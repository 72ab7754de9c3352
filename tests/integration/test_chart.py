"""The chart with the real Helm: what it renders, what it refuses, and the life of a release on a real API server."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from testbed.binaries import helm as helm_program
from testbed.binaries import kubernetes
from testbed.chart import CHART
from tests.support.machines.testbed import ApiServerFactory
from tests.support.waiting import eventually

ROOT = CHART.parents[1]
RELEASE, NAMESPACE = "zkoperator", "zkoperator-system"
KEEP = {"helm.sh/resource-policy": "keep"}

Manifest: TypeAlias = dict[str, Any]
Objects: TypeAlias = dict[tuple[str, str], Manifest]
Helm: TypeAlias = Callable[..., str]


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Run Helm with a home of its own; an exit code that is not 0 is an AssertionError with what it printed."""
    home = tmp_path_factory.mktemp("helm")
    program = helm_program()

    def run(*arguments: str, kubeconfig: Path | None = None) -> str:
        environment = {**os.environ, "HOME": str(home), "KUBECONFIG": str(kubeconfig or home / "none")}
        done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def rendered(helm: Helm) -> Callable[..., Objects]:
    def render(*sets: str, release: str = RELEASE, namespace: str = NAMESPACE) -> Objects:
        flags = [flag for value in sets for flag in ("--set-json", value)]
        return by_name(helm("template", release, str(CHART), "--namespace", namespace, *flags))

    return render


def by_name(text: str) -> Objects:
    documents = filter(None, yaml.safe_load_all(text))
    return {(each["kind"], each["metadata"]["name"]): each for each in documents}


def operator_of(objects: Objects) -> tuple[Manifest, Manifest, dict[str, str]]:
    """Return the pod's spec, its container, and the variables with a literal value."""
    pod = next(found for (kind, _), found in objects.items() if kind == "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return pod, container, {each["name"]: each["value"] for each in container["env"] if "value" in each}


def test_the_chart_has_no_findings(helm: Helm) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


def test_the_default_values_make_the_objects_of_crds_and_manifests(rendered: Callable[..., Objects]) -> None:
    kubectl = str(kubernetes() / "kubectl")
    shipped = by_name(subprocess.check_output([kubectl, "kustomize", str(ROOT / "manifests")], text=True))
    del shipped["Namespace", NAMESPACE]
    for path in (ROOT / "crds").glob("*.yaml"):
        crd = yaml.safe_load(path.read_text())
        crd["metadata"]["annotations"] = {**crd["metadata"].get("annotations", {}), **KEEP}
        shipped[crd["kind"], crd["metadata"]["name"]] = crd
    assert rendered() == shipped


def test_an_installation_for_some_namespaces_has_no_right_elsewhere(rendered: Callable[..., Objects]) -> None:
    objects = rendered('namespaces=["team-a","team-b"]')
    assert not [name for name in objects if name[0] == "ClusterRoleBinding"]
    text = [found for (kind, _), found in objects.items() if kind == "RoleBinding"]
    assert {found["metadata"]["namespace"] for found in text} == {"team-b", NAMESPACE}
    assert operator_of(objects)[2]["ZKOPERATOR_NAMESPACES"] == "team-a,team-b"
    assert ("ClusterRole", f"zkoperator-{NAMESPACE}") in objects


def test_two_releases_in_one_cluster_share_no_object_but_the_definitions(rendered: Callable[..., Objects]) -> None:
    one = rendered('namespaces=["a"]', release="one", namespace="x")
    two = rendered('namespaces=["b"]', release="two", namespace="y")
    shared = {name for name in one.keys() & two.keys() if one[name]["metadata"].get("namespace") is None}
    assert {kind for kind, _ in shared} == {"CustomResourceDefinition"}


@pytest.mark.parametrize(
    ("sets", "image"),
    [
        ((), "zkoperator:0.1.0"),
        (('image.tag="1.2.3"',), "zkoperator:1.2.3"),
        (('image.repository="ghcr.example/o/zkoperator"', 'imageRegistry="mirror.example:5000"'), None),
        ((f'image.digest="sha256:{"a" * 64}"', 'image.tag="1"'), f"zkoperator@sha256:{'a' * 64}"),
    ],
)
def test_the_image_is_named_by_tag_digest_and_registry(
    rendered: Callable[..., Objects], sets: tuple[str, ...], image: str | None
) -> None:
    expected = image or "mirror.example:5000/o/zkoperator:0.1.0"
    assert operator_of(rendered(*sets))[1]["image"] == expected


def test_one_registry_serves_zookeeper_s_default_image_too(rendered: Callable[..., Objects]) -> None:
    variables = operator_of(rendered('imageRegistry="mirror.example"'))[2]
    assert variables["ZKOPERATOR_DEFAULT_IMAGE"].startswith("mirror.example/library/zookeeper:")
    assert "ZKOPERATOR_DEFAULT_IMAGE" not in operator_of(rendered())[2]


def test_placement_and_identity_are_values(rendered: Callable[..., Objects]) -> None:
    pod, container, variables = operator_of(
        rendered(
            'priorityClassName="critical"',
            'tolerations=[{"operator":"Exists"}]',
            'nodeSelector={"disk":"fast"}',
            'imagePullSecrets=[{"name":"registry"}]',
            'resources={"limits":{"memory":"1Gi"},"requests":null}',
            'podSecurityContext={"runAsUser":null}',
            'allowedHosts=["zk.example:2181"]',
            'clusterDomain="corp.local"',
        )
    )
    assert (pod["priorityClassName"], pod["nodeSelector"]) == ("critical", {"disk": "fast"})
    assert (pod["tolerations"], pod["imagePullSecrets"]) == ([{"operator": "Exists"}], [{"name": "registry"}])
    assert container["resources"] == {"limits": {"memory": "1Gi"}}
    assert "runAsUser" not in pod["securityContext"]
    assert variables["ZKOPERATOR_ALLOWED_HOSTS"] == "zk.example:2181"
    assert variables["ZKOPERATOR_CLUSTER_DOMAIN"] == "corp.local"


def test_secrets_for_config_syncs_are_granted_as_by_the_component(
    rendered: Callable[..., Objects], tmp_path: Path
) -> None:
    where = os.path.relpath(ROOT / "manifests", tmp_path)
    kustomization = {"resources": [where], "components": [f"{where}/secrets"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    kubectl = [str(kubernetes() / "kubectl"), "kustomize", "--load-restrictor=LoadRestrictionsNone", str(tmp_path)]
    component, chart = by_name(subprocess.check_output(kubectl, text=True)), rendered("secrets.enabled=true")
    for name in (("ClusterRole", "zkoperator"), ("Role", "zkoperator-lease")):
        assert chart[name] == component[name] != rendered()[name]
    assert operator_of(chart)[2] == operator_of(component)[2]
    assert operator_of(chart)[2]["ZKOPERATOR_SYNC_SECRETS"] == "true"
    named = rendered("secrets.enabled=true", release="one")["Role", "one-zkoperator-lease"]
    assert ["one-zkoperator-hash-key"] in [rule.get("resourceNames") for rule in named["rules"]]


def test_monitoring_is_what_the_manifests_have(rendered: Callable[..., Objects]) -> None:
    on = rendered("monitoring.rules=true", "monitoring.podMonitors=true", "monitoring.dashboard=true")
    rules = yaml.safe_load((ROOT / "manifests" / "monitoring" / "rules.yaml").read_text())
    assert on["PrometheusRule", "zkoperator"] == rules
    assert {name for kind, name in on if kind == "PodMonitor"} == {"zkoperator", "zkoperator-members"}
    dashboard = (ROOT / "manifests" / "monitoring" / "dashboard.json").read_text()
    assert on["ConfigMap", "zkoperator-dashboard"]["data"]["dashboard.json"] == dashboard


@pytest.mark.parametrize("wrong", ["replica=3", 'logFormat="xml"', 'namespaces=["Team A"]', 'image.digest="abc"'])
def test_a_value_with_an_error_in_it_is_refused_by_its_name(rendered: Callable[..., Objects], wrong: str) -> None:
    with pytest.raises(AssertionError, match=wrong.partition("=")[0].rpartition(".")[2]):
        rendered(wrong)


async def test_a_release_is_installed_upgraded_rolled_back_and_uninstalled_and_keeps_the_definitions(
    helm: Helm, api_servers: ApiServerFactory
) -> None:
    server = api_servers()
    kubeconfig, where = Path(server.kubeconfig), ("--namespace", "home", "--create-namespace")
    deployment = "/apis/apps/v1/namespaces/home/deployments/zkoperator"
    rest = server.rest()
    told = helm("install", RELEASE, str(CHART), *where, kubeconfig=kubeconfig)
    assert "kubectl -n home rollout status deployment/zkoperator" in told
    await people_have_the_rights_of_their_roles(kubeconfig)
    helm("upgrade", RELEASE, str(CHART), *where[:2], "--set", "replicas=3", kubeconfig=kubeconfig)
    assert rest("GET", deployment)["spec"]["replicas"] == 3
    helm("rollback", RELEASE, "1", *where[:2], kubeconfig=kubeconfig)
    assert rest("GET", deployment)["spec"]["replicas"] == 2
    helm("uninstall", RELEASE, *where[:2], kubeconfig=kubeconfig)
    definitions = rest("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"]
    names = {each["metadata"]["name"] for each in definitions}
    assert {"configsyncs.zkoperator.dev", "zookeeperclusters.zkoperator.dev"} <= names


async def people_have_the_rights_of_their_roles(kubeconfig: Path) -> None:
    """Ask as users who may view, or edit, one namespace."""
    program = str(kubernetes() / "kubectl")

    def kubectl(*arguments: str) -> str:
        command = [program, "--kubeconfig", str(kubeconfig), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    for user, role in (("ann", "view"), ("bob", "edit")):
        kubectl("create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}", "--namespace=default")

    def may(user: str, verb: str, kind: str, namespace: str = "default", subresource: str = "") -> bool:
        asked = (verb, f"{kind}.zkoperator.dev", f"--subresource={subresource}", f"--namespace={namespace}")
        return kubectl("auth", "can-i", *asked, f"--as={user}") == "yes"

    await eventually(lambda: may("bob", "create", "configsyncs"), within_s=60, every_s=0.5)
    assert may("ann", "list", "configsyncs")
    assert may("ann", "get", "zookeeperclusters")
    assert not may("ann", "create", "configsyncs")
    assert not may("bob", "create", "configsyncs", "kube-system")
    assert not may("bob", "patch", "configsyncs", subresource="status")
