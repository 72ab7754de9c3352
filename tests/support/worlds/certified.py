"""A world whose cluster has TLS: what is delivered to it, and what its Secrets, bundles and status hold."""

import base64
from datetime import datetime, timedelta
from typing import Any

from tests.support.models.ensemble_simulation import NAMES
from tests.support.models.foreign_pki import Signed, authority, secret_of, traditional
from tests.support.worlds.ensemble import EnsembleWorld, ensemble_world
from zkoperator.ensemble.model.certificate_names import client_names
from zkoperator.ensemble.model.names import WRITTEN
from zkoperator.kube.port import CONFIG_MAPS, SECRETS, ZOOKEEPER_CLUSTERS, Manifest
from zkoperator.pki.files import Held, read_files

SELF_SIGNED: Manifest = {"certificate": {"selfSigned": {}}, "plaintext": "Allowed"}
BOTH: Manifest = {"client": SELF_SIGNED, "quorum": {}}
OWN: Manifest = {"client": {"certificate": {"secretName": "company-tls"}, "plaintext": "Allowed"}}
"""The certificate of clients comes from a Secret of people."""
ISSUER: Manifest = {
    "client": {
        "certificate": {"issuerRef": {"name": "company", "kind": "ClusterIssuer"}},
        "additionalNames": ["zk.example.com"],
        "plaintext": "Allowed",
    }
}
"""The same comes from cert-manager."""
COMPANY = authority()


def world_with(tls: Manifest | None, replicas: int = 1) -> EnsembleWorld:
    return ensemble_world(replicas, tls=tls)


def secret(world: EnsembleWorld, name: str) -> Manifest:
    found = world.api.peek(SECRETS, "demo", name)
    assert found is not None, f"there is no Secret {name}"
    return found


def held(world: EnsembleWorld) -> Held:
    found = secret(world, "main-zk-tls")
    data = {key: base64.b64decode(text) for key, text in found["data"].items()}
    written = {key.removeprefix(WRITTEN): text for key, text in found["metadata"]["annotations"].items()}
    return read_files(data, written)


def published(world: EnsembleWorld) -> str:
    found = world.api.peek(CONFIG_MAPS, "demo", "main-zk-ca")
    assert found is not None, "there is no bundle for clients"
    return str(found["data"]["ca.crt"])


def status(world: EnsembleWorld) -> Manifest:
    found = world.api.peek(ZOOKEEPER_CLUSTERS, "demo", "main")
    assert found is not None
    return dict(found["status"])


def degraded(world: EnsembleWorld) -> Manifest:
    found: Manifest = next(each for each in status(world)["conditions"] if each["type"] == "Degraded")
    return found


def deliver(world: EnsembleWorld, name: str, data: dict[str, bytes]) -> None:
    encoded = {key: base64.b64encode(content).decode() for key, content in data.items()}
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "demo"}, "data": encoded}
    if world.api.peek(SECRETS, "demo", name) is not None:
        world.api.remove(SECRETS, "demo", name)
    world.api.put(SECRETS, manifest)


def own_secret(ca: Signed = COMPANY, **shape: Any) -> dict[str, bytes]:
    leaf = ca.signs(client_names(NAMES), **shape)
    return secret_of(leaf, ca, key=traditional(leaf.key))


async def stay(world: EnsembleWorld, turns: int = 20) -> None:
    """Let everybody act although the cluster cannot become as asked."""
    for _ in range(turns):
        await world.turn()


async def restart_at(world: EnsembleWorld, moment: datetime) -> None:
    """Let a new operator go on at this time."""
    world.today = moment - timedelta(seconds=world.clock.seconds)
    world.start_operator()
    await world.rest()


TLS_SECRETS = ("main-zk-tls", "main-zk-ca")


def later(world: EnsembleWorld, seconds: float = 61.0) -> None:
    """Let so much time pass without anybody looking; by default so much that Secrets are read again."""
    world.clock.seconds += seconds


ALL_FILES = frozenset({"client.pem", "client-ca.pem", "ca.crt", "quorum.pem", "quorum-ca.pem"})
