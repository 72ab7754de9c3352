"""Every field of a ConfigSync does something that can be seen: the same story is told differently with another value.

The fields are read from the schema, so a new one is covered from its first day or fails here.
"""

import asyncio
import base64
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from tests.support.models.schema_objects import leaves, spec_schema
from tests.support.worlds.mirror import FAST, NAMESPACE, ROOT, SUPER, SecretWorld, World, running
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, DEPLOYMENTS, SECRETS, STATEFUL_SETS
from zkoperator.zk.port import Acl, Create

Spec = dict[str, Any]
Field = tuple[str, ...]

PULL: Spec = {"direction": "ZooKeeperToConfigMap"}
_SOURCE: Spec = {"clusterRef": {"name": "main"}}
_OUTSIDE: Spec = {"hosts": "main:2181"}
_WORKLOAD: Spec = {"rollout": [{"kind": "Deployment", "name": "shop"}]}
_FILE: Spec = {"format": {"type": "Json", "key": "settings"}}
_TEMPLATE: Spec = {"template": {"data": {"both": "{{ getv('/own') }}"}}}
_SECRET: Spec = {"secret": {}}
_MANY = {f"many{number}": "1" for number in range(6)}
_NOT_ADMIN = 15
"""Every permission of an ACL but that to change it."""

# For each field two specs that differ in it alone.
PAIRS: dict[Field, tuple[Spec, Spec]] = {
    ("zookeeper", "clusterRef", "name"): ({}, {"zookeeper": {"clusterRef": {"name": "other"}}}),
    ("zookeeper", "clusterRef", "namespace"): (
        {},
        {"zookeeper": {"clusterRef": {"name": "main", "namespace": "other"}}},
    ),
    ("zookeeper", "hosts"): ({"zookeeper": {"hosts": "zk:2181"}}, {"zookeeper": {"hosts": "main:2181"}}),
    ("zookeeper", "path"): ({}, {"path": "/apps/other"}),
    ("zookeeper", "sources", "path"): (
        {"sources": [{"path": ROOT}], **PULL},
        {"sources": [{"path": "/apps/other"}], **PULL},
    ),
    ("zookeeper", "sources", "prefix"): (
        {"sources": [{"path": ROOT}], **PULL},
        {"sources": [{"path": ROOT, "prefix": "shop."}], **PULL},
    ),
    ("zookeeper", "credentialsSecret"): ({}, {"zookeeper": {**_SOURCE, "credentialsSecret": "absent"}}),
    ("zookeeper", "tls", "caSecretName"): (
        {"zookeeper": {**_OUTSIDE, "tls": {"caSecretName": "company"}}},
        {"zookeeper": {**_OUTSIDE, "tls": {"caSecretName": "absent"}}},
    ),
    ("zookeeper", "tls", "certificateSecretName"): (
        {"zookeeper": {**_OUTSIDE, "tls": {"caSecretName": "company"}}},
        {"zookeeper": {**_OUTSIDE, "tls": {"caSecretName": "company", "certificateSecretName": "absent"}}},
    ),
    ("zookeeper", "acl"): ({}, {"zookeeper": {**_SOURCE, "acl": "Open"}}),
    ("configMap", "name"): ({}, {"configMap": {"name": "renamed"}}),
    ("configMap", "labels"): ({}, {"configMap": {"labels": {"team": "shop"}}}),
    ("configMap", "annotations"): ({}, {"configMap": {"annotations": {"team": "shop"}}}),
    ("secret", "name"): (_SECRET, {"secret": {"name": "renamed"}}),
    ("secret", "type"): (_SECRET, {"secret": {"type": "example.com/settings"}}),
    ("secret", "labels"): (_SECRET, {"secret": {"labels": {"team": "shop"}}}),
    ("secret", "annotations"): (_SECRET, {"secret": {"annotations": {"team": "shop"}}}),
    ("direction",): ({}, PULL),
    ("conflictPolicy",): ({}, {"conflictPolicy": "PreferConfigMap"}),
    ("adoptionPolicy",): ({}, {"adoptionPolicy": "PreferConfigMap"}),
    ("deletionPolicy",): ({}, {"deletionPolicy": "Retain"}),
    ("deletionGuard", "maxKeys"): ({}, {"deletionGuard": {"maxKeys": 0}}),
    ("deletionGuard", "maxPercent"): ({}, {"deletionGuard": {"maxPercent": 100}}),
    ("keys", "include"): ({}, {"keys": {"include": ["many*"]}}),
    ("keys", "exclude"): ({}, {"keys": {"exclude": ["many*"]}}),
    ("keys", "ephemerals"): (PULL, {**PULL, "keys": {"ephemerals": "Include"}}),
    ("keys", "separator"): ({}, {"keys": {"separator": "."}}),
    ("keys", "stripPrefix"): ({}, {"keys": {"stripPrefix": "many"}}),
    ("format", "type"): (_FILE, {"format": {"type": "Yaml", "key": "settings"}}),
    ("format", "key"): (_FILE, {"format": {"type": "Json", "key": "other"}}),
    ("template", "data"): ({**PULL, **_TEMPLATE}, {**PULL, "template": {"data": {"both": "{{ ls() | join }}"}}}),
    ("rollout", "kind"): (_WORKLOAD, {"rollout": [{"kind": "StatefulSet", "name": "shop"}]}),
    ("rollout", "name"): (_WORKLOAD, {"rollout": [{"kind": "Deployment", "name": "other"}]}),
    ("mode",): ({}, {"mode": "DryRun"}),
    ("onDelete",): ({}, {"onDelete": "DeleteConfigMap"}),
}


def fields() -> list[Field]:
    paths = leaves(spec_schema("configsyncs"))
    return sorted({tuple(part for part in path if part not in ("[]", "*")) for path in paths})


def test_every_field_of_a_config_sync_is_among_these() -> None:
    assert sorted(PAIRS) == fields()


@pytest.mark.parametrize("field", PAIRS, ids=".".join)
def test_another_value_of_a_field_tells_another_story(field: Field) -> None:
    one, other = PAIRS[field]
    assert story(repr(one)) != story(repr(other))


def test_the_same_spec_tells_the_same_story() -> None:
    """Without this a difference would prove nothing."""
    assert story(repr({})) == story.__wrapped__(repr({}))


@cache
def story(spec: str) -> tuple[Any, ...]:
    """What there is to be seen after each chapter of a life with this spec."""
    return asyncio.run(_live(eval(spec)))


async def _live(spec: Spec) -> tuple[Any, ...]:
    kind = SecretWorld if "secret" in spec else World
    async with running(replace(FAST, allowed_hosts=("main:2181",)), kind=kind) as world:
        _prepare(world)
        client = world.zk.session()
        await client.create(Create(f"{ROOT}/live", b"here", ephemeral=True))
        world.sync(**spec)
        seen = [await _rest(world)]
        await world.stop()
        world.node("both", "theirs")
        world.edit(both="mine")
        await world.start()
        seen.append(await _rest(world))
        world.drop("gone")
        seen.append(await _rest(world))
        for name in _MANY:
            world.drop(name)
        seen.append(await _rest(world))
        world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
        seen.append(await _rest(world))
        return tuple(seen)


def _prepare(world: World) -> None:
    """Two subtrees, a ConfigMap that differs in one key, and workloads of two names and kinds."""
    world.tree(own="zk", both="1", gone="1", deep__key="1", **_MANY)
    world.zk.set_acl(ROOT, (Acl(_NOT_ADMIN, "world", "anyone"),))
    world.write(Create("/apps/other", b""), Create("/apps/other/elsewhere", b"1"))
    world.config_map(own="cm", mine="1")
    authorities = {"ca.crt": base64.b64encode(b"PEM").decode()}
    world.kube.put(SECRETS, {"metadata": {"name": "company", "namespace": NAMESPACE}, "data": authorities})
    for kind in (DEPLOYMENTS, STATEFUL_SETS):
        for name in ("shop", "other"):
            template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": name, "image": "i"}]}}
            manifest = {"apiVersion": "apps/v1", "kind": kind.kind, "metadata": {"name": name, "namespace": NAMESPACE}}
            world.kube.put(
                kind, {**manifest, "spec": {"selector": {"matchLabels": {"app": name}}, "template": template}}
            )


async def _rest(world: World, for_s: float = 0.4) -> Any:
    """Wait until nothing has changed for a while; returns what is to be seen then."""
    before, since_s = _look(world), 0.0
    while since_s < for_s:
        await asyncio.sleep(0.05)
        now = _look(world)
        before, since_s = now, since_s + 0.05 if now == before else 0.0
    return before


def _look(world: World) -> Any:
    sync = world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop")
    status = (sync or {}).get("status") or {}
    ready = next((one["reason"] for one in status.get("conditions", ()) if one["type"] == "Ready"), "")
    restarted = [
        (kind.kind, item["metadata"]["name"])
        for kind in (DEPLOYMENTS, STATEFUL_SETS)
        for item in world.kube.every(kind)
        if item["spec"]["template"]["metadata"].get("annotations")
    ]
    names = ("own", "both", "gone", "mine", "live", *_MANY)
    return {
        "ready": ready,
        "configMap": {name: _known(world.data(name)) for name in ("shop", "renamed")},
        "znodes": {name: world.at(name) for name in names},
        "restarted": sorted(restarted),
        "marks": _marks(world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")),
        "acl": _acl_of_made(world),
    }


def _known(data: dict[str, bytes] | None) -> dict[str, bytes] | None:
    return None if data is None else dict(sorted(data.items()))


def _marks(config_map: dict[str, Any] | None) -> dict[str, Any]:
    """Labels and annotations but ours."""
    meta = (config_map or {}).get("metadata", {})
    return {
        part: {name: text for name, text in (meta.get(part) or {}).items() if "zkoperator.dev" not in name}
        for part in ("labels", "annotations")
    }


def _acl_of_made(world: World) -> Any:
    """The ACL of a znode that a push has created, None before that."""
    return world.zk.tree.get_acl(f"{ROOT}/mine", SUPER) if world.at("mine") is not None else None
