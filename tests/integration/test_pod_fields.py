"""What `spec.pod` adds, on a real API server: it takes every field, keeps none that is gone, and its policies hold."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.api import ApiServer
from testbed.rest import ApiError, Rest
from tests.support.models.ensemble_simulation import raw_cluster, valid
from tests.support.models.pod_fields import CHANGES
from tests.support.waiting import eventually
from tests.support.worlds.kube_contract import client_of
from zkoperator.ensemble.build.statefulset import stateful_set
from zkoperator.ensemble.plan.drift import changed_fields, covers
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import PODS, STATEFUL_SETS, Manifest

ROOT = Path(__file__).parents[2]
POLICIES = "/apis/admissionregistration.k8s.io/v1"


@pytest.fixture
async def api(api_server: ApiServer) -> AsyncIterator[KubeClient]:
    async with client_of(api_server) as client:
        yield client


def made(namespace: str, pod: dict[str, Any], replicas: int = 0) -> Manifest:
    cluster = valid(raw_cluster(pod=pod))
    manifest = stateful_set(cluster, replicas, bootstrap="", secret_id="s")
    manifest["metadata"]["namespace"] = namespace
    del manifest["metadata"]["ownerReferences"]
    return manifest


async def test_the_server_takes_every_field_and_an_edit_leaves_nothing_behind(api: KubeClient, namespace: str) -> None:
    """A default that the server had filled in would stay, and make a volume or a variable with two sources."""
    for step, pod in enumerate(CHANGES):
        wanted = made(namespace, pod)
        live = await api.apply(STATEFUL_SETS, namespace, wanted)
        assert covers(live, wanted), (step, changed_fields(live, wanted))
    bare = await api.apply(STATEFUL_SETS, namespace, made(namespace, {}))
    never = made(namespace, {})
    never["metadata"]["name"] = "fresh"
    fresh = await api.apply(STATEFUL_SETS, namespace, never)
    assert bare["spec"]["template"] == fresh["spec"]["template"]


UIDS = "[1000, 65532]"
POLICY: Manifest = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "assigned-uids"},
    "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            ]
        },
        "validations": [
            {
                "expression": "!has(object.spec.securityContext) || ("
                + " && ".join(
                    f"!(object.spec.securityContext.?{field}.orValue(0) in {UIDS})"
                    for field in ("runAsUser", "runAsGroup", "fsGroup")
                )
                + ")",
                "message": "the uids 1000 and 65532 are not in the range of this namespace",
            },
            {
                "expression": "object.spec.containers.all(c, !has(c.securityContext) || "
                f"!(c.securityContext.?runAsUser.orValue(0) in {UIDS}))",
                "message": "the uids 1000 and 65532 are not in the range of this namespace",
            },
        ],
    },
}


@pytest.fixture
async def assigned_uids(api_server: ApiServer, namespace: str) -> None:
    """A namespace in which the platform gives out uids, as OpenShift does: nobody may ask for 1000 or 65532."""
    rest = api_server.rest()
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": namespace},
        "spec": {
            "policyName": "assigned-uids",
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}},
        },
    }
    rest.apply(f"{POLICIES}/validatingadmissionpolicies/assigned-uids", POLICY)
    rest.apply(f"{POLICIES}/validatingadmissionpolicybindings/{namespace}", binding)
    await eventually(lambda: _is_in_force(rest, namespace), within_s=120)
    rest.close()


def _is_in_force(rest: Rest, namespace: str) -> bool:
    """Try a pod without making one: the API server takes a policy up some time after it is written."""
    spec = {"containers": [{"name": "c", "image": "i"}], "securityContext": {"runAsUser": 1000}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "trial"}, "spec": spec}
    try:
        rest("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)
    except ApiError as error:
        return "not in the range" in str(error)
    return False


async def names_of_pods(api: KubeClient, namespace: str) -> set[str]:
    listed = await api.list(PODS, namespace)
    return {pod["metadata"]["name"] for pod in listed.items}


def refusals(rest: Rest, namespace: str) -> str:
    events = rest("GET", f"/api/v1/namespaces/{namespace}/events")
    return " ".join(each.get("message", "") for each in events["items"])


async def test_members_start_where_the_platform_assigns_the_uid(
    api: KubeClient, api_server: ApiServer, namespace: str, assigned_uids: None
) -> None:
    rest = api_server.rest()
    rest("POST", f"/api/v1/namespaces/{namespace}/secrets", {"metadata": {"name": "main-zk-admin"}})

    async def refused() -> bool:
        return "not in the range" in refusals(rest, namespace)

    async def there() -> bool:
        return await names_of_pods(api, namespace) == {"main-zk-0"}

    await api.apply(STATEFUL_SETS, namespace, made(namespace, {}, replicas=1))
    await eventually(refused, within_s=120)
    assert await names_of_pods(api, namespace) == set()
    await api.apply(STATEFUL_SETS, namespace, made(namespace, {"securityContext": {}}, replicas=1))
    await eventually(there, within_s=120)
    rest.close()


async def test_the_operator_starts_where_the_platform_assigns_the_uid(
    api: KubeClient, api_server: ApiServer, namespace: str, assigned_uids: None
) -> None:
    rest = api_server.rest()
    (deployment,) = (
        each
        for each in yaml.safe_load_all((ROOT / "manifests/operator/deployment.yaml").read_text())
        if each["kind"] == "Deployment"
    )
    rest("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "zkoperator"}})
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    rest("POST", path, deployment)

    async def refused() -> bool:
        found = rest("GET", f"{path}/zkoperator").get("status", {}).get("conditions", [])
        return any("not in the range" in each.get("message", "") for each in found)

    async def there() -> bool:
        return bool(await names_of_pods(api, namespace))

    await eventually(refused, within_s=120)
    patch = {"spec": {"template": {"spec": {"securityContext": {"runAsUser": None}}}}}
    rest("PATCH", f"{path}/zkoperator", patch, "application/merge-patch+json")
    await eventually(there, within_s=120)
    rest.close()
