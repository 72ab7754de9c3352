"""No value and no credential leaves the two sides and the Secret, whatever happens to the operator.

Everything that it writes beside the data itself is searched: log, Events, status, annotations, ledgers, and what its
port serves. `tests/unit/support/test_canaries.py` shows that the search finds what is there.
"""

import asyncio
import base64
import functools
import json
import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from kazoo.security import make_digest_acl

from tests.support.faults.proxies.rules import Answer, First, Kube, Rule
from tests.support.machines.operator import OperatorProcess
from tests.support.models.canaries import Canaries
from tests.support.waiting import eventually
from tests.support.worlds.cluster_workloads import Cluster
from tests.support.worlds.site import Plot, Site
from zkoperator.cli import main
from zkoperator.mirror.model.merge_base import decode_base
from zkoperator.mirror.model.names import BASE_ANNOTATION

WRITES = "create|patch|apply"
BIG = 600_000


class Cage:
    """One operator, two ConfigSyncs and a cluster, with canaries wherever a value or a credential belongs."""

    def __init__(self, plot: Plot, operator: OperatorProcess) -> None:
        self.plot = plot
        self.operator = operator
        self.canaries = Canaries()
        self.moments: list[dict[str, str]] = []
        """What was shown at times when more is shown than at the end."""

    async def prepare(self) -> None:
        await self.plot.put(shop="", shop__pulled=self.canaries.plant("znode"), closed="")
        secret = {"username": "shop", "password": self.canaries.plant("password")}
        self.canaries.digest("digest", "shop", secret["password"])
        right = self.canaries.plant("right password")
        acl = [make_digest_acl("shop", right, all=True)]
        self.canaries.take("right digest", acl[0].id.id.partition(":")[2])
        await self.plot.site.ask("create", f"{self.plot.root}/closed/door", b"", acl=acl)
        await self._create("secrets", {"metadata": {"name": "shop-zk"}, "stringData": secret})
        await self.sync("shop", "shop", direction="TwoWay", conflictPolicy="Hold")
        await self.sync("closed", "closed/door")
        await self.plot.put(vault="", vault__pulled=self.canaries.plant("secret znode"))
        await self.sync(
            "vault",
            "vault",
            secret={},
            direction="TwoWay",
            deletionGuard={"maxKeys": 0},
            rollout=[{"kind": "Deployment", "name": "absent"}],
        )
        await Cluster(serves=False).create(self.plot)

    async def sync(self, name: str, path: str, **spec: Any) -> None:
        zookeeper = {"path": f"{self.plot.root}/{path}", "credentialsSecret": "shop-zk"}
        await self.plot.sync(name, zookeeper=zookeeper, **spec)

    async def pulled(self) -> None:
        await eventually(lambda: self._has("pulled", self.canaries.planted["znode"]), within_s=90)

    async def pushed(self) -> None:
        text, data = self.canaries.plant("key"), b"\xff\0" + self.canaries.plant("binary key").encode()
        await self._edit({"data": {"pushed": text}, "binaryData": {"bytes": base64.b64encode(data).decode()}})
        await eventually(lambda: self._at("shop/pushed", text.encode()), within_s=60)
        await eventually(lambda: self._at("shop/bytes", data), within_s=60)

    async def kept_in_a_secret(self) -> None:
        """Both directions, a conflict and a held deletion; what is shown meanwhile is kept."""
        await eventually(lambda: self._in_vault("pulled", self.canaries.planted["secret znode"]), within_s=90)
        text = self.canaries.plant("secret key")
        await self._edit_vault(pushed=text, gone=self.canaries.plant("secret key that goes"))
        await eventually(lambda: self._at("vault/pushed", text.encode()), within_s=60)
        self.operator.kill()
        await self.plot.put(vault__pulled=self.canaries.plant("secret znode in conflict"))
        await self._edit_vault(pulled=self.canaries.plant("secret key in conflict"))
        self.operator.start()
        await self.tells("vault", "Conflict")
        self.moments.append(await self.shown())
        await self._decide("resolve", "pulled=zookeeper")
        await self.tells("vault", "InSync")
        await self._edit_vault(gone=None)
        await self.tells("vault", "DeletionsHeld")
        self.moments.append(await self.shown())
        status = (await self.plot.site.kube.get(f"{self.plot.custom}/configsyncs/vault"))["status"]
        await self._decide("approve-deletions", status["pending"]["hash"])
        await self.tells("vault", "InSync")

    async def reported(self, directory: Path) -> dict[str, str]:
        """What the commands of people show, who may read everything."""
        archive, where = directory / "report.tar.gz", ["-n", self.plot.namespace, "--kubeconfig"]
        where.append(str(self.plot.site.kubeconfig))
        assert await asyncio.to_thread(main, ["report", "--file", str(archive), *where]) == 0
        with tarfile.open(archive) as files:
            read = {member.name: files.extractfile(member) for member in files}
            return {f"the report's {name}": file.read().decode() for name, file in read.items() if file is not None}

    async def crashed_and_conflicted(self) -> None:
        """Both sides are edited while nobody looks."""
        self.operator.kill()
        await self.plot.put(shop__pulled=self.canaries.plant("znode in conflict"))
        await self._edit({"data": {"pulled": self.canaries.plant("key in conflict")}})
        self.operator.start()
        await self.tells("shop", "Conflict")
        await self.plot.edit_sync({"metadata": {"annotations": {"zkoperator.dev/resolve": "pulled=zookeeper"}}})
        await self.tells("shop", "InSync")

    async def too_large(self) -> None:
        filler = "x" * BIG
        for name in ("big", "bigger"):
            await self.plot.put(**{f"shop__{name}": f"{self.canaries.plant(f'{name} znode')}{filler}"})
        await self.tells("shop", "TooLarge")
        await self.plot.put(shop__big=None, shop__bigger=None)
        await self.tells("shop", "InSync")

    async def key_invalid(self) -> None:
        name = "k" * 254
        await self.plot.put(**{f"shop__{name}": self.canaries.plant("znode with a long name")})
        await self.tells("shop", "KeyInvalid")
        await self.plot.put(**{f"shop__{name}": None})
        await self.tells("shop", "InSync")

    async def refused(self, status: int, message: str) -> None:
        """The API server refuses to take a value, in the words that it has for it."""
        value = self.canaries.plant(f"znode refused with {status}")
        rule = Rule(
            Kube(verb=WRITES, resource="configmaps", name="shop"), Answer(status, message=message % value), First(2)
        )
        with self.plot.site.kube_proxy.rules.active(rule):
            await self.plot.put(shop__pulled=value)
            await eventually(lambda: self.plot.site.kube_proxy.rules.fired(rule) > 0, within_s=60)
            await asyncio.sleep(1)
        # An edit of the object wakes a pass of what was refused for good.
        await self.plot.edit_sync({"metadata": {"annotations": {"note": str(status)}}})
        await eventually(lambda: self._has("pulled", value), within_s=90)

    async def denied(self) -> None:
        await self.tells("closed", "Forbidden")

    async def tells(self, name: str, reason: str) -> None:
        async def told() -> bool:
            return (await self.plot.condition(name=name))[1] == reason

        await eventually(told, within_s=120)

    async def generated(self) -> None:
        """The superuser's credentials of the cluster are the operator's own making."""
        secret = await eventually(
            functools.partial(self.plot.site.kube.find, f"{self.plot.core}/secrets/main-zk-admin"), within_s=60
        )
        for key, encoded in secret["data"].items():
            text = base64.b64decode(encoded).decode()
            if len(text) >= 12:
                self.canaries.take(f"generated {key}", text)

    async def shown(self) -> dict[str, str]:
        """Everything that was written beside the data, by what it is."""
        kube, ports = self.plot.site.kube, ("/metrics", "/readyz", "/livez")
        events = await kube.get(f"/apis/events.k8s.io/v1/namespaces/{self.plot.namespace}/events")
        objects = {
            f"{plural}/{item['metadata']['name']}": {
                key: item[key] for key in item if key not in ("data", "binaryData")
            }
            for path in (
                f"{self.plot.custom}/configsyncs",
                f"{self.plot.custom}/zookeeperclusters",
                f"{self.plot.core}/configmaps",
                f"{self.plot.core}/secrets",
            )
            for plural in (path.rpartition("/")[2],)
            for item in (await kube.get(path))["items"]
        }
        ledgers = await self.plot.tree("/zkoperator")
        served = {path: (await asyncio.to_thread(self.operator.fetch, path))[1] for path in ports}
        return {
            "the log": self.operator.log.read_text(),
            "an Event": json.dumps(events),
            **{name: json.dumps(item) for name, item in objects.items()},
            **{f"the base of {name}": text for name, item in objects.items() if (text := _base(item))},
            **{f"the ledger {path}": data.decode(errors="replace") for path, data in ledgers.items()},
            **served,
        }

    async def _decide(self, annotation: str, decision: str) -> None:
        await self.plot.edit_sync({"metadata": {"annotations": {f"zkoperator.dev/{annotation}": decision}}}, "vault")

    async def _edit_vault(self, **values: str | None) -> None:
        data = {key: base64.b64encode(text.encode()).decode() if text else None for key, text in values.items()}
        await self.plot.site.kube.merge(f"{self.plot.core}/secrets/vault", {"data": data})

    async def _in_vault(self, key: str, value: str) -> bool:
        found = await self.plot.site.kube.find(f"{self.plot.core}/secrets/vault") or {}
        return base64.b64decode((found.get("data") or {}).get(key, "")).decode() == value

    async def _create(self, plural: str, manifest: dict[str, Any]) -> None:
        await self.plot.site.kube.create(f"{self.plot.core}/{plural}", manifest)

    async def _edit(self, body: dict[str, Any]) -> None:
        await self.plot.site.kube.merge(f"{self.plot.core}/configmaps/shop", body)

    async def _has(self, key: str, value: str) -> bool:
        return (await self.plot.data()).get(key) == value

    async def _at(self, path: str, data: bytes) -> bool:
        return (await self.plot.tree(f"{self.plot.root}/{path}")).get(f"{self.plot.root}/{path}") == data


def _base(item: dict[str, Any]) -> str:
    """The digests of a merge base, which is compressed."""
    found = decode_base((item["metadata"].get("annotations") or {}).get(BASE_ANNOTATION, ""))
    return " ".join(digest.hex() for digest in found.digests.values()) if found is not None else ""


REFUSALS = {
    422: 'ConfigMap "shop" is invalid: data[pulled]: Invalid value: "%s": must be something else',
    409: 'Operation cannot be fulfilled on configmaps "shop": the object has been modified%.0s',
    403: 'configmaps "shop" is forbidden: User "zkoperator" cannot patch resource "configmaps" in API group ""%.0s',
}


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_no_value_and_no_credential_is_shown_anywhere(site: Site, log_format: str, tmp_path: Path) -> None:
    async with site.plot() as plot:
        own = {"ZKOPERATOR_NAMESPACE": plot.namespace, "ZKOPERATOR_SYNC_SECRETS": "true"}
        with site.operator(plot.settings | own | {"ZKOPERATOR_LOG_FORMAT": log_format}) as operator:
            cage = Cage(plot, operator)
            await cage.prepare()
            steps: tuple[Callable[[], Awaitable[None]], ...] = (
                cage.pulled,
                cage.pushed,
                cage.kept_in_a_secret,
                cage.crashed_and_conflicted,
                cage.too_large,
                cage.key_invalid,
                *(functools.partial(cage.refused, status, message) for status, message in REFUSALS.items()),
                cage.denied,
                cage.generated,
            )
            for step in steps:
                await step()
            shown = await cage.shown()
            assert len(cage.canaries.planted) > 14
            assert "ConfigSync" in shown["the log"] and "Conflict" in shown["an Event"]
            assert any(name.startswith("the ledger /zkoperator/") for name in shown)
            assert all(shown[path] for path in ("/metrics", "/readyz", "/livez"))
            assert shown["the base of secrets/vault"] and shown["the base of configmaps/shop"]
            for moment in (*cage.moments, shown, await cage.reported(tmp_path)):
                assert cage.canaries.leaks(moment) == []
                assert cage.canaries.guesses(moment, "secret ") == []
