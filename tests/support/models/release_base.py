"""What an installation of a release leaves in a cluster, kept as a file: the base from which upgrades are tested.

`make release-base` writes it, while this version is not released yet; the release workflow checks that it is fresh.
The file is of the newest release, or of the version that is going to be the first. It is written again for each
release, after the upgrade from the one before was tested. A file needs no tags, which a shallow clone lacks.
"""

import argparse
import asyncio
import base64
import copy
import dataclasses
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.fakes.zk_tree import Tree
from tests.support.models.ensemble_simulation import valid
from tests.support.worlds.ensemble import EnsembleWorld, ensemble_world
from tests.support.worlds.mirror import NAMESPACE, running
from zkoperator import __version__
from zkoperator.api.crd import KINDS
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.build.secret import secret
from zkoperator.ensemble.model.names import CERTIFICATES
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, PODS, SECRETS, STATEFUL_SETS, Manifest
from zkoperator.zk.port import Acl

ROOT = Path(__file__).parents[3]
BASE = ROOT / "tests" / "support" / "releases" / "base.yaml"
COMMAND = "make release-base"

SPECS: dict[str, Manifest] = {
    "plain": {},
    "configured": {
        "config": {"tickTime": "3000", "snapCount": 20000},
        "jvm": {"heapPercent": 40, "flags": ["-XX:+UseG1GC"]},
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
        "storage": {"size": "20Gi", "storageClassName": "fast"},
        "pod": {"labels": {"team": "blue"}, "nodeSelector": {"disk": "ssd"}, "terminationGracePeriodSeconds": 60},
        "commonLabels": {"cost": "42"},
    },
    "ephemeral": {"storage": {"type": "Ephemeral"}},
    "tls": {
        "tls": {
            "client": {"certificate": {"selfSigned": {}}, "plaintext": "Allowed"},
            "quorum": {"certificate": {"selfSigned": {}}},
        }
    },
}
"""One cluster each."""


def load() -> dict[str, Any]:
    base: dict[str, Any] = yaml.safe_load(BASE.read_text())
    return base


def made() -> dict[str, Any]:
    """What this version leaves."""
    return asyncio.run(_made())


async def _made() -> dict[str, Any]:
    return {
        "version": __version__,
        "clusters": {name: await _cluster(spec) for name, spec in SPECS.items()},
        "sync": await _sync(),
        "fields": {kind.name: dict(fields(schema(kind.name))) for kind in KINDS},
    }


async def _cluster(spec: Manifest) -> Manifest:
    world = await _settled(spec)
    found = {child: world.api.peek(child.resource, "demo", child.name_of(valid(world.raw).names)) for child in Child}
    stateful_set = found[Child.STATEFUL_SET]
    assert stateful_set is not None
    names = sorted(f"{child.resource.plural}/{m['metadata']['name']}" for child, m in found.items() if m is not None)
    config = found[Child.CONFIG_MAP] or {}
    stateful_set["spec"]["template"]["metadata"]["annotations"].pop(CERTIFICATES, None)  # has times
    return {"spec": spec, "children": names, "files": sorted(config["data"]), "statefulSet": stateful_set["spec"]}


async def _settled(spec: Manifest) -> EnsembleWorld:
    """A cluster at rest, with a password that is always the same, as the pods have its digest."""
    world = ensemble_world(3, **spec)
    world.api.put(SECRETS, secret(valid(world.cluster() or {}), "release"))
    await world.rest()
    return world


async def _sync() -> Manifest:
    """A ConfigSync that has pulled and pushed, with both sides."""
    async with running() as world:
        world.tree(colour="red", db__size="1")
        world.sync()
        await world.until_in_sync()
        world.edit(colour="blue", name="shop")
        await world.until(lambda: (world.at("colour"), world.at("name")) == (b"blue", b"shop"))
        world.node("db/size", "2")
        await world.until(lambda: (world.data() or {}).get("db__size") == b"2")
        await world.until_in_sync()
        await world.quiet()
        config_map, sync = (world.kube.peek(kind, NAMESPACE, "shop") for kind in (CONFIG_MAPS, CONFIG_SYNCS))
        assert config_map is not None and sync is not None
        return {"configMap": _stored(config_map), "configSync": _stored(sync), "tree": stored_tree(world.zk.tree)}


def _stored(manifest: Manifest) -> Manifest:
    """The object without what the API server writes anew."""
    dropped = ("managedFields", "generation", "creationTimestamp")
    meta = {key: value for key, value in manifest["metadata"].items() if key not in dropped}
    return {**manifest, "metadata": meta}


def stored_tree(tree: Tree) -> Manifest:
    nodes = {path: dataclasses.asdict(node) for path, node in tree._nodes.items()}
    for node in nodes.values():
        node["data"] = base64.b64encode(node["data"]).decode()
        node["acl"] = [list(acl.values()) for acl in node["acl"]]
        node["children"] = sorted(node["children"])
        node["ctime"] = node["mtime"] = 0
    return {"zxid": tree.zxid, "nodes": nodes}


def restored_tree(stored: Manifest) -> Tree:
    tree = Tree()
    kind = type(tree._nodes["/"])
    tree.zxid = stored["zxid"]
    tree._nodes = {
        path: kind(
            **{
                **node,
                "data": base64.b64decode(node["data"]),
                "acl": tuple(Acl(*acl) for acl in node["acl"]),
                "children": set(node["children"]),
            }
        )
        for path, node in stored["nodes"].items()
    }
    return tree


async def installed(cluster: Manifest) -> EnsembleWorld:
    """A world in which an earlier operator has made this cluster and gone; this one starts in it."""
    world = await _settled(cluster["spec"])
    earlier = cluster["statefulSet"]
    world.api.edit(STATEFUL_SETS, "demo", "main-zk", {"spec": earlier}, manager="zkoperator")
    for pod in world.pods.values():
        template = copy.deepcopy(earlier["template"])
        if CERTIFICATES in pod.template["metadata"]["annotations"]:
            template["metadata"]["annotations"][CERTIFICATES] = pod.template["metadata"]["annotations"][CERTIFICATES]
        pod.template = template
        world.api.edit(PODS, "demo", f"main-zk-{pod.member - 1}", template)
    world.made.clear()
    world.start_operator()
    return world


def schema(kind: str) -> Manifest:
    for path in sorted((ROOT / "crds").glob("*.yaml")):
        crd: Manifest = yaml.safe_load(path.read_text())
        if crd["spec"]["names"]["kind"] == kind:
            found: Manifest = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
            return found
    raise LookupError(kind)


def fields(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Manifest]]:
    """Each field with what an object of it relies on."""
    told = {key: node[key] for key in ("type", "enum", "required") if key in node}
    yield path or ".", told
    for name, child in node.get("properties", {}).items():
        yield from fields(child, f"{path}.{name}")
    if "items" in node:
        yield from fields(node["items"], f"{path}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from fields(node["additionalProperties"], f"{path}{{}}")


def main() -> int:
    parser = argparse.ArgumentParser()
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--write", action="store_true")
    choice.add_argument("--check", action="store_true")
    new = made()
    if parser.parse_args().write:
        BASE.write_text(yaml.safe_dump(new, sort_keys=False, width=200))
    elif {**load(), "sync": None} != {**new, "sync": None}:  # its times differ
        print(f"{BASE} is not of this version: {COMMAND}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
