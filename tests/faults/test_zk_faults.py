"""A hostile way to ZooKeeper, while a ConfigSync is followed in both directions."""

import asyncio

import pytest

from tests.support.faults.proxies.rules import (
    Action,
    CutReply,
    Delay,
    DropReply,
    DropRequest,
    Duplicate,
    First,
    Hold,
    KillSession,
    Nth,
    Rule,
    Zk,
    ZkError,
    ZkEvent,
)
from tests.support.waiting import eventually
from tests.support.worlds.following import Following
from tests.support.worlds.site import Plot, Site
from tests.support.worlds.sync_user import data_is, edit, ready, znodes_are

TWO_WAY = {"direction": "TwoWay"}


@pytest.mark.parametrize(
    "action", [DropRequest(), DropReply(), CutReply(), ZkError(-4), ZkError(-7), Delay(0.5, reply=True)], ids=repr
)
async def test_a_push_whose_fate_is_unknown_happens_exactly_once(
    site: Site, following: Following, action: Action
) -> None:
    async with following(**TWO_WAY) as (plot, _):
        await edit(plot, first="1")
        await znodes_are(plot, {"color": "red", "first": "1"})
        rule = Rule(Zk("multi|set|create"), action, Nth(1))
        with site.zk_proxy.rules.active(rule):
            await edit(plot, color="green", size="1")
            await znodes_are(plot, {"color": "green", "first": "1", "size": "1"})
        assert site.zk_proxy.rules.fired(rule)
        assert await _version(plot, "color") == 1
        await ready(plot, "InSync")


@pytest.mark.parametrize("action", [DropRequest(), CutReply(), ZkError(-4), ZkError(-101), ZkError(-102)], ids=repr)
async def test_a_read_that_fails_deletes_nothing(site: Site, following: Following, action: Action) -> None:
    async with following(**TWO_WAY) as (plot, _):
        await plot.put(size="1")
        await data_is(plot, {"color": "red", "size": "1"})
        rule = Rule(Zk("get|children|exists", f"{plot.root}*"), action, First(4))
        with site.zk_proxy.rules.active(rule):
            site.zk_proxy.cut()
            await plot.put(weight="7")
            await eventually(lambda: site.zk_proxy.rules.fired(rule), within_s=60)
            for _ in range(10):
                assert {"color", "size"} <= (await plot.data()).keys()
                await asyncio.sleep(0.1)
        site.zk_proxy.cut()  # a server that lies about a znode sends no event when it stops: read again
        await data_is(plot, {"color": "red", "size": "1", "weight": "7"}, within_s=90)


@pytest.mark.parametrize("action", [Duplicate(), Delay(0.5)], ids=repr)
async def test_the_time_and_number_of_notifications_do_not_matter(
    site: Site, following: Following, action: Action
) -> None:
    async with following(**TWO_WAY) as (plot, _):
        rule = Rule(ZkEvent(path=f"{plot.root}*"), action)
        with site.zk_proxy.rules.active(rule):
            await plot.put(color="green", size="1")
            await data_is(plot, {"color": "green", "size": "1"})
            await edit(plot, size="2")
            await znodes_are(plot, {"color": "green", "size": "2"})
            await plot.put(color=None)
            await data_is(plot, {"size": "2"})
        assert site.zk_proxy.rules.fired(rule) >= 3
        assert await _version(plot, "size") == 1


async def test_a_notification_that_is_held_holds_up_the_picture_and_nothing_is_written_from_it(
    site: Site, following: Following
) -> None:
    """ZooKeeper's order: behind the notification wait the replies, so a push cannot overtake what it must heed."""
    async with following(**TWO_WAY) as (plot, _):
        held = Rule(ZkEvent("data_changed", f"{plot.root}/color"), Hold("event"), Nth(1))
        site.zk_proxy.rules.add(held)
        await plot.put(color="theirs")
        await eventually(lambda: site.zk_proxy.gates.waiting("event") == 1)
        await edit(plot, color="mine")
        await asyncio.sleep(1)
        assert await plot.znodes() == {"color": "theirs"}
        assert (await plot.data())["color"] == "mine"
        site.zk_proxy.gates.release("event")
        await ready(plot, "Conflict", within_s=60)
        assert await plot.znodes() == {"color": "theirs"}
        assert (await plot.data())["color"] == "mine"


async def test_a_session_that_is_killed_by_the_very_write_that_it_carries_is_replaced(
    site: Site, following: Following
) -> None:
    async with following(**TWO_WAY) as (plot, _):
        rule = Rule(Zk("multi"), KillSession(), Nth(1))
        with site.zk_proxy.rules.active(rule):
            await edit(plot, color="green")
            await znodes_are(plot, {"color": "green"}, within_s=60)
        assert site.zk_proxy.rules.fired(rule) == 1
        await plot.put(color="blue")
        await data_is(plot, {"color": "blue"}, within_s=60)


async def test_what_changed_while_the_session_was_lost_is_found(site: Site, following: Following) -> None:
    async with following(**TWO_WAY) as (plot, _):
        await site.zk_proxy.down()
        await plot.put(color="green", size="1")
        await plot.put(color=None)
        for session in tuple(site.zk_proxy.sessions):
            await site.zk_proxy.kill_session(session)
        await site.zk_proxy.up()
        await data_is(plot, {"size": "1"}, within_s=60)
        await edit(plot, size="2")
        await znodes_are(plot, {"size": "2"})


async def test_a_killed_session_is_replaced_and_nothing_is_missed(site: Site, following: Following) -> None:
    async with following(**TWO_WAY) as (plot, _):
        for number in range(3):
            for session in tuple(site.zk_proxy.sessions):
                await site.zk_proxy.kill_session(session)
            await plot.put(color=f"green-{number}")
            await data_is(plot, {"color": f"green-{number}"}, within_s=60)


async def test_a_server_that_hangs_is_a_lost_connection_and_not_an_empty_tree(site: Site, following: Following) -> None:
    async with following() as (plot, operator):
        site.zk_proxy.freeze()
        await plot.put(color="green")
        await ready(plot, "Disconnected", within_s=90)
        assert await plot.data() == {"color": "red"} or "color" in await plot.data()
        assert operator.fetch("/livez")[0] == 200
        site.zk_proxy.thaw()
        site.zk_proxy.cut()
        await data_is(plot, {"color": "green"}, within_s=60)


async def test_a_late_push_of_a_dead_operator_is_refused_by_the_ledger(site: Site, following: Following) -> None:
    async with following(**TWO_WAY) as (plot, operator):
        await edit(plot, size="1")
        await znodes_are(plot, {"color": "red", "size": "1"})
        hold = Rule(Zk("multi", f"{plot.root}/color"), Hold("late"), Nth(1))
        site.zk_proxy.rules.add(hold)
        await edit(plot, color="late")
        await eventually(lambda: site.zk_proxy.gates.waiting("late") == 1)
        operator.kill()
        await edit(plot, color="newer")
        operator.start()
        await znodes_are(plot, {"color": "newer", "size": "1"}, within_s=60)
        number = len(site.journal.writes)
        site.zk_proxy.gates.release("late")

        def late() -> list[int | None]:
            return [write.outcome for write in site.journal.writes[number:] if write.verb == "multi"]

        await eventually(late)
        await site.ask("sync", plot.root)
        await asyncio.sleep(0.5)
        # Bad version; or no answer, where the dead operator's session has expired before its request came.
        assert late()[0] in (-103, None)
        assert await plot.znodes() == {"color": "newer", "size": "1"}


async def test_a_znode_deleted_and_created_again_between_read_and_write_is_a_conflict_or_is_told(
    site: Site, following: Following
) -> None:
    """The version is 0 again, so the version check alone would pass; see consistency of ConfigSync, ABA."""
    async with following(**TWO_WAY) as (plot, _):
        await plot.put(size="1")
        await data_is(plot, {"color": "red", "size": "1"})
        hold = Rule(Zk("multi", f"{plot.root}/size"), Hold("aba"), Nth(1))
        site.zk_proxy.rules.add(hold)
        await edit(plot, size="mine")
        await eventually(lambda: site.zk_proxy.gates.waiting("aba") == 1)
        await plot.put(size=None)
        await plot.put(size="theirs")
        site.zk_proxy.gates.release("aba")

        async def told_or_held() -> bool:
            events = await site.kube.get(f"/apis/events.k8s.io/v1/namespaces/{plot.namespace}/events")
            overwrote = any(event["reason"] == "Overwrote" for event in events["items"])
            return overwrote or (await plot.condition())[1] == "Conflict"

        await eventually(told_or_held)


async def _version(plot: Plot, name: str) -> int:
    stat = await plot.site.ask("exists", f"{plot.root}/{name}")
    return int(stat.version)
