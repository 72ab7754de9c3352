"""No value and no credential leaves the two sides and the Secret, whatever happens to the operator.

Everything that it writes beside the data itself is searched: log, Events, status, annotations, ledgers, and what its
port serves. `tests/unit/support/test_canaries.py` shows that the search finds what is there.
"""

import asyncio
import base64
import functools
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from kazoo.security import make_digest_acl

from tests.support.faults.proxies.rules import Answer, First, Kube, Rule
from tests.support.machines.operator import OperatorProcess
from tests.support.models.canaries import Canaries
from tests.support.waiting import eventually
from tests.support.worlds.cluster_workloads import Cluster
from tests.support.worlds.site import Plot, Site

WRITES = "create|patch|apply"
BIG = 600_000


class Cage:
    """One operator, two ConfigSyncs and a cluster, with canaries wherever a value or a credential belongs."""

    def __init__(self, plot: Plot, operator: OperatorProcess) -> None:
        self.plot = plot
        self.operator = operator
        self.canaries = Canaries()

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
            **{f"the ledger {path}": data.decode(errors="replace") for path, data in ledgers.items()},
            **served,
        }

    async def _create(self, plural: str, manifest: dict[str, Any]) -> None:
        await self.plot.site.kube.create(f"{self.plot.core}/{plural}", manifest)

    async def _edit(self, body: dict[str, Any]) -> None:
        await self.plot.site.kube.merge(f"{self.plot.core}/configmaps/shop", body)

    async def _has(self, key: str, value: str) -> bool:
        return (await self.plot.data()).get(key) == value

    async def _at(self, path: str, data: bytes) -> bool:
        return (await self.plot.tree(f"{self.plot.root}/{path}")).get(f"{self.plot.root}/{path}") == data


REFUSALS = {
    422: 'ConfigMap "shop" is invalid: data[pulled]: Invalid value: "%s": must be something else',
    409: 'Operation cannot be fulfilled on configmaps "shop": the object has been modified%.0s',
    403: 'configmaps "shop" is forbidden: User "zkoperator" cannot patch resource "configmaps" in API group ""%.0s',
}


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_no_value_and_no_credential_is_shown_anywhere(site: Site, log_format: str) -> None:
    async with site.plot() as plot:
        with site.operator(plot.settings | {"ZKOPERATOR_LOG_FORMAT": log_format}) as operator:
            cage = Cage(plot, operator)
            await cage.prepare()
            steps: tuple[Callable[[], Awaitable[None]], ...] = (
                cage.pulled,
                cage.pushed,
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
            assert cage.canaries.leaks(shown) == []
