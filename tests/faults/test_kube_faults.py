"""A hostile way to the API server, while a ConfigSync is followed in both directions."""

import asyncio
from typing import Any

import pytest

from tests.support.faults.crash import quiet
from tests.support.faults.proxies.rules import (
    Action,
    Answer,
    CutLine,
    CutReply,
    CutWatch,
    Delay,
    Discard,
    DropReply,
    DropRequest,
    Duplicate,
    ErrorEvent,
    First,
    FreezeWatch,
    Hold,
    Kube,
    KubeEvent,
    Nth,
    Rule,
    ServeSnapshot,
    Swap,
)
from tests.support.waiting import eventually
from tests.support.worlds.following import Following
from tests.support.worlds.site import Plot, Site
from tests.support.worlds.sync_user import data_is, edit, ready, znodes_are

TWO_WAY = {"direction": "TwoWay"}
WRITES = "create|apply|patch|update"
# The children of clusters are followed by an informer of their own, which is of no interest here.
WATCHES = {
    "configmaps": Kube("watch", "configmaps", labels="zkoperator.dev/sync*"),
    "configsyncs": Kube("watch", "configsyncs"),
}


def _rarely(action: Action) -> Any:
    """A case for the exhaustive run."""
    return pytest.param(action, marks=pytest.mark.exhaustive)


async def both_ways(plot: Plot, *, within_s: float = 60) -> None:
    """One change from each side arrives on the other."""
    await plot.put(color="green", size="1")
    await data_is(plot, {"color": "green", "size": "1"}, within_s=within_s)
    await edit(plot, size="2")
    await znodes_are(plot, {"color": "green", "size": "2"}, within_s=within_s)


@pytest.mark.parametrize(
    "action",
    [
        DropRequest(),
        DropReply(),
        Answer(409),
        Answer(429, retry_after_s=1),
        _rarely(CutReply()),
        _rarely(Answer(500)),
        _rarely(Answer(503)),
        _rarely(Answer(504)),
    ],
    ids=repr,
)
async def test_a_refused_or_unanswered_write_is_made_in_the_end(
    site: Site, following: Following, action: Action
) -> None:
    async with following(**TWO_WAY) as (plot, _):
        rule = Rule(Kube(WRITES, "configmaps", plot.namespace), action, First(2))
        with site.kube_proxy.rules.active(rule):
            await both_ways(plot)
        assert site.kube_proxy.rules.fired(rule)


async def _touched(site: Site, plot: Plot, rule: Rule, times: int) -> None:
    """Touch the ConfigSync and its ConfigMap until the rule has been due so often: its earlier watches have ended."""

    async def due() -> bool:
        touch = {"metadata": {"annotations": {"touched": str(asyncio.get_running_loop().time())}}}
        await plot.edit_sync(touch)
        await site.kube.merge(f"{plot.core}/configmaps/shop", touch)
        return site.kube_proxy.rules.fired(rule) >= times

    await eventually(due, within_s=60, every_s=0.5)


@pytest.mark.parametrize("resource", WATCHES)
@pytest.mark.parametrize(
    "action",
    [
        CutLine(clean=True),
        ErrorEvent(410),
        ErrorEvent(500, "InternalError"),
        Answer(410),
        _rarely(CutWatch()),
        _rarely(CutWatch(clean=False)),
        _rarely(CutLine()),
        _rarely(ErrorEvent(504, "Timeout")),
        _rarely(Answer(403)),
        _rarely(Answer(429, retry_after_s=1)),
        _rarely(Answer(500)),
    ],
    ids=repr,
)
async def test_a_watch_that_fails_is_opened_again_and_nothing_is_missed(
    site: Site, following: Following, resource: str, action: Action
) -> None:
    async with following(**TWO_WAY) as (plot, _):
        rule = Rule(WATCHES[resource], action, First(2))
        with site.kube_proxy.rules.active(rule):
            site.kube_proxy.cut()
            await eventually(lambda: site.kube_proxy.rules.fired(rule), within_s=60)
            await both_ways(plot)
            await _touched(site, plot, rule, 2)
        await edit(plot, size="3")
        await znodes_are(plot, {"color": "green", "size": "3"}, within_s=60)


async def test_a_list_that_fails_for_good_while_a_watch_is_down_ends_nothing(site: Site, following: Following) -> None:
    async with following(**TWO_WAY) as (plot, _):
        rule = Rule(Kube("list"), Answer(410), First(6))
        with site.kube_proxy.rules.active(rule, Rule(Kube("watch"), Answer(410), First(6))):
            site.kube_proxy.cut()
            await eventually(lambda: site.kube_proxy.rules.fired(rule) >= 3, within_s=60)
        await both_ways(plot)


@pytest.mark.parametrize("action", [Duplicate(), Delay(0.5)], ids=repr)
async def test_the_time_and_number_of_events_do_not_matter(site: Site, following: Following, action: Action) -> None:
    async with following(**TWO_WAY) as (plot, _):
        rule = Rule(KubeEvent("MODIFIED", "configmaps|configsyncs", name="shop"), action)
        with site.kube_proxy.rules.active(rule):
            await both_ways(plot)
            await edit(plot, size="3")
            await plot.put(color="blue")
            await data_is(plot, {"color": "blue", "size": "3"})
            await znodes_are(plot, {"color": "blue", "size": "3"})
        assert site.kube_proxy.rules.fired(rule)


async def test_events_in_a_wrong_order_do_no_harm_and_are_forgotten_with_their_watch(
    site: Site, following: Following
) -> None:
    """No server sends an older version after a newer one; if one does, nothing is undone by it."""
    async with following(**TWO_WAY) as (plot, _):
        rule = Rule(KubeEvent("MODIFIED", "configmaps", name="shop"), Swap())
        with site.kube_proxy.rules.active(rule):
            await plot.put(color="green")
            await data_is(plot, {"color": "green"})
            await edit(plot, size="1")
            await edit(plot, size="2")
            await eventually(lambda: site.kube_proxy.rules.fired(rule) >= 2)
        site.kube_proxy.cut()
        await data_is(plot, {"color": "green", "size": "2"}, within_s=60)
        await znodes_are(plot, {"color": "green", "size": "2"}, within_s=60)


async def test_a_missed_deletion_of_the_config_map_is_found_after_the_watch_is_back(
    site: Site, following: Following
) -> None:
    async with following() as (plot, _):
        rule = Rule(KubeEvent(resource="configmaps", name="shop"), Discard())
        with site.kube_proxy.rules.active(rule):
            await plot.site.kube.delete(f"{plot.core}/configmaps/shop")
            await eventually(lambda: site.kube_proxy.rules.fired(rule))
        site.kube_proxy.cut()
        await data_is(plot, {"color": "red"})


async def test_a_missed_edit_is_found_after_the_watch_is_back(site: Site, following: Following) -> None:
    async with following(**TWO_WAY) as (plot, _):
        rule = Rule(KubeEvent("MODIFIED", "configmaps"), Discard(), First(1))
        with site.kube_proxy.rules.active(rule):
            await edit(plot, color="green")
            await eventually(lambda: site.kube_proxy.rules.fired(rule))
        site.kube_proxy.cut()
        await znodes_are(plot, {"color": "green"})


async def test_nothing_is_written_from_a_picture_older_than_the_last_write(site: Site, following: Following) -> None:
    """The ConfigMap's watch is frozen: what is merged next must not be merged with the ConfigMap of before."""
    async with following(**TWO_WAY) as (plot, _):
        freeze = Rule(WATCHES["configmaps"], FreezeWatch())
        with site.kube_proxy.rules.active(freeze):
            site.kube_proxy.cut()
            await eventually(lambda: site.kube_proxy.rules.fired(freeze), within_s=60)
            await plot.put(color="green")
            await data_is(plot, {"color": "green"})
            await edit(plot, color="blue")  # unseen
            await plot.put(size="1")
            await eventually(lambda: _sized(plot))
        site.kube_proxy.cut()
        await data_is(plot, {"color": "blue", "size": "1"})
        await znodes_are(plot, {"color": "blue", "size": "1"})


async def _sized(plot: Plot) -> bool:
    return "size" in await plot.data()


async def test_a_stale_api_server_brings_no_old_key_back(site: Site, following: Following) -> None:
    """A server that still shows a key in the ConfigMap that is gone since; writes go through."""
    async with following() as (plot, operator):
        await plot.put(size="1")
        await data_is(plot, {"color": "red", "size": "1"})
        old = await site.kube_proxy.take_snapshot("/api/v1/configmaps", "/apis/zkoperator.dev/v1alpha1/configsyncs")
        await plot.put(size=None)
        await data_is(plot, {"color": "red"})
        await quiet(site)
        writes = len(site.journal.writes)
        stale = Rule(Kube("get|list|watch", "configmaps|configsyncs"), ServeSnapshot(old))
        with site.kube_proxy.rules.active(stale):
            operator.kill()
            operator.start()
            await eventually(lambda: site.kube_proxy.rules.fired(stale) >= 4, within_s=60)
            await asyncio.sleep(2)
            committed = [w for w in site.journal.writes[writes:] if "configmaps" in w.target and w.outcome == 200]
            assert committed == []
        site.kube_proxy.cut()
        await plot.put(color="green")
        await data_is(plot, {"color": "green"}, within_s=60)


async def test_a_late_write_of_a_dead_operator_is_refused(site: Site, following: Following) -> None:
    async with following() as (plot, operator):
        hold = Rule(Kube(WRITES, "configmaps", plot.namespace), Hold("late"), Nth(1))
        site.kube_proxy.rules.add(hold)
        await plot.put(color="late")
        await eventually(lambda: site.kube_proxy.gates.waiting("late") == 1)
        operator.kill()
        await plot.put(color="newer")
        operator.start()
        await data_is(plot, {"color": "newer"}, within_s=60)
        number = len(site.journal.writes)
        site.kube_proxy.gates.release("late")

        def late() -> list[int | None]:
            return [write.outcome for write in site.journal.writes[number:] if write.target.startswith("configmaps/")]

        await eventually(lambda: late() == [409])
        await data_is(plot, {"color": "newer"})


async def test_an_api_server_that_is_gone_for_a_while_ends_nothing_and_deletes_nothing(
    site: Site, following: Following
) -> None:
    async with following(**TWO_WAY) as (plot, _):
        await site.kube_proxy.down()
        await plot.put(color="green")
        await asyncio.sleep(5)
        await site.kube_proxy.up()
        await data_is(plot, {"color": "green"}, within_s=60)
        await both_ways(plot)
        assert not [write for write in site.journal.writes if write.verb == "delete"]


@pytest.mark.exhaustive
@pytest.mark.timeout(900)
@pytest.mark.parametrize("action", [Answer(503), Answer(429, retry_after_s=1), DropRequest()], ids=repr)
async def test_five_minutes_of_refusals_of_everything_end_nothing(
    site: Site, following: Following, action: Action
) -> None:
    async with following(**TWO_WAY) as (plot, _):
        with site.kube_proxy.rules.active(Rule(Kube(), action)):
            site.kube_proxy.cut()
            await plot.put(color="green")
            await asyncio.sleep(300)
        await data_is(plot, {"color": "green"}, within_s=90)
        await both_ways(plot)


async def test_a_storm_of_conflicts_slows_nobody_down_for_long(site: Site, following: Following) -> None:
    """Somebody edits the ConfigMap's labels all the time; foreign parts survive and both directions make progress."""
    async with following(**TWO_WAY) as (plot, _):
        storm = asyncio.create_task(_storm(plot))
        await both_ways(plot)
        storm.cancel()
        await asyncio.gather(storm, return_exceptions=True)
        config_map = await plot.config_map()
        assert config_map is not None
        assert config_map["metadata"]["labels"]["team"] == "blue"
        assert int(config_map["metadata"]["annotations"]["storm"]) > 0


async def _storm(plot: Plot) -> None:
    number = 0
    while True:
        number += 1
        metadata = {"labels": {"team": "blue"}, "annotations": {"storm": str(number)}}
        await plot.site.kube.merge(f"{plot.core}/configmaps/shop", {"metadata": metadata})
        await asyncio.sleep(0.05)


async def test_a_forbidden_write_is_a_condition_that_names_it(site: Site, following: Following) -> None:
    async with following() as (plot, _):
        with site.kube_proxy.rules.active(Rule(Kube(WRITES, "configmaps", plot.namespace), Answer(403))):
            await plot.put(color="green")
            await ready(plot, "Forbidden")
        await data_is(plot, {"color": "green"}, within_s=90)
        await ready(plot, "InSync")


async def test_an_api_server_with_another_authority_is_trusted_once_the_kubeconfig_says_so(
    site: Site, following: Following
) -> None:
    async with following(**TWO_WAY) as (plot, _):
        await site.kube_proxy.rotate_authority()
        await plot.put(color="green")
        await asyncio.sleep(3)
        assert await plot.data() == {"color": "red"}, "a certificate of an unknown authority is no API server"
        site.kube_proxy.write_kubeconfig(site.kubeconfig)
        await data_is(plot, {"color": "green"}, within_s=90)
        await both_ways(plot)
