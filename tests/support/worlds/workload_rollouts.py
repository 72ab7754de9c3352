"""Workloads that a ConfigSync restarts, and what their objects say of it."""

from typing import Any

from tests.support.worlds.mirror import NAMESPACE, World
from zkoperator.api.workloads import Workload, WorkloadKind
from zkoperator.kube.port import DEPLOYMENTS, Resource

WEB = [{"kind": "Deployment", "name": "web"}]


def put_workload(world: World, resource: Resource = DEPLOYMENTS, name: str = "web") -> None:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": name, "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    manifest = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
    }
    world.kube.put(resource, {**manifest, "spec": spec})


def found_workload(world: World, resource: Resource = DEPLOYMENTS, name: str = "web") -> dict[str, Any]:
    found = world.kube.peek(resource, NAMESPACE, name)
    assert found is not None
    return found


def entry_of(world: World, name: str = "web", sync: str = "shop") -> dict[str, Any]:
    entries = world.status(sync).get("rollouts", [])
    return next((dict(entry) for entry in entries if entry["name"] == name), {})


def web_workload(number: int | None = None) -> Workload:
    return Workload(kind=WorkloadKind.DEPLOYMENT, name="web" if number is None else f"web-{number}")
