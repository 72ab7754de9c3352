"""The installation for some namespaces, as its how-to page prints it, beside a cluster-wide one that stands still."""

import asyncio
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.e2e.conftest import Space, cluster, sync
from tests.support.models.documents import Shell, documented, image_under_test, substituted

HOWTO = "docs/howto-namespaced.md"


@dataclass(frozen=True)
class Team:
    """A namespace with an operator of its own."""

    name: str
    shell: Shell

    def may(self, verb: str, resource: str, namespace: str) -> bool:
        """What the API server says about the operator's rights."""
        user = f"system:serviceaccount:zkoperator-{self.name}:zkoperator"
        asked = f"kubectl auth can-i {verb} {resource} -n {namespace} --as {user} || true"
        return self.shell.run(asked).strip() == "yes"


@pytest.fixture
def team(operator_away: None, tmp_path: Path) -> Iterator[Team]:
    shell, name = Shell(tmp_path), f"team-{secrets.token_hex(3)}"
    directory = shell.clone / "manifests/namespaced"
    for file in directory.rglob("*.yaml"):
        file.write_text(file.read_text().replace("team-a", name))
    (directory / "team-a.yaml").rename(directory / f"{name}.yaml")
    image, tag = image_under_test()
    base = shell.clone / "manifests/operator/kustomization.yaml"
    base.write_text(
        yaml.safe_dump(
            yaml.safe_load(base.read_text()) | {"images": [{"name": "zkoperator", "newName": image, "newTag": tag}]}
        )
    )
    try:
        for command in documented(HOWTO):
            shell.run(substituted(command, {"team-a": name}))
        yield Team(name, shell)
    finally:
        # First the operator: one that loses its rights while it runs would ask for what it is refused.
        home = f"kubectl -n zkoperator-{name}"
        shell.run(f"{home} delete deployment zkoperator --ignore-not-found")
        shell.run(f"{home} wait pod -l app.kubernetes.io/name=zkoperator --for=delete --timeout=120s || true")
        shell.run(f"kubectl delete namespace --ignore-not-found {name}")
        shell.run("kubectl delete -k manifests/namespaced/ --ignore-not-found")


@pytest.mark.timeout(900)
async def test_it_acts_in_its_namespace_and_can_do_nothing_elsewhere(team: Team, space: Space) -> None:
    own, foreign = Space(space.api, team.name, space.tell), space
    await foreign.apply(cluster(1))
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "shop", "labels": {"zkoperator.dev/sync": "shop"}},
        "data": {"colour": "blue"},
    }
    await own.apply(cluster(1), config_map, sync("/apps/shop"))
    await own.until("zookeeperclusters", "main", "Ready", "True", within_s=300)
    await own.until("configsyncs", "shop", "Ready", "True")

    assert await foreign.condition("zookeeperclusters", "main", "Ready") == {"status": "", "reason": ""}
    assert await foreign.items("statefulsets") == []
    for verb, resource in (("list", "configmaps"), ("create", "statefulsets.apps"), ("get", "secrets")):
        assert await asyncio.to_thread(team.may, verb, resource, own.name)
        assert not await asyncio.to_thread(team.may, verb, resource, foreign.name)
        assert not await asyncio.to_thread(team.may, verb, resource, "zkoperator-system")
