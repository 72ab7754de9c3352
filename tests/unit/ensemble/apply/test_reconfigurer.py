"""A reconfiguration starts from exactly what was seen, of our own ensemble, and is believed when it was read back."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.support.models.ensemble_edges import Edge, claims, made_again, replicas, until
from tests.support.models.ensemble_seeds import anybodys_secret
from tests.support.models.ensemble_simulation import NAMES
from tests.support.models.seeds import Seed, claim_with, replaced, rewritten
from tests.support.worlds.ensemble import EnsembleWorld, WorldSession, ensemble_world
from zkoperator.ensemble.apply import reconfigurer
from zkoperator.ensemble.model.configuration import server_of
from zkoperator.ensemble.model.names import Names
from zkoperator.ensemble.plan.steps import DeleteClaim, Reconfigure, RemovePods, Step
from zkoperator.errors import ConflictError, TransientError, UnknownOutcomeError, UnsafeError
from zkoperator.kube.port import EVENTS, SECRETS
from zkoperator.zk.port import ClientTls, Credential, Node, Stat

STRANGER = "server.1=db-zk-0.db-zk-members.other.svc.cluster.local:2888:3888:participant;0.0.0.0:2181\nversion=999"


async def growing() -> tuple[Edge, Reconfigure]:
    world = ensemble_world(1)
    await world.rest()
    world.ask_for(replicas=3)
    return await until(world, Reconfigure)


async def shrinking(kind: type[Step]) -> tuple[Edge, Any]:
    world = ensemble_world(3, storage={"retention": {"whenScaled": "Delete"}})
    await world.rest()
    world.ask_for(replicas=1)
    return await until(world, kind)


class Hands(WorldSession):
    """A session during which somebody else does something."""

    asked = 0

    def __init__(self, *given: Any, before: Callable[[], None] = lambda: None) -> None:
        super().__init__(*given)
        self._before = before

    async def reconfig(
        self, *, joining: Sequence[str] = (), leaving: Sequence[int] = (), from_config: int
    ) -> tuple[str, int]:
        Hands.asked += 1
        self._before()
        return await super().reconfig(joining=joining, leaving=leaving, from_config=from_config)


def sessions(world: EnsembleWorld, kind: Callable[..., object], **more: Any) -> None:
    """Let the operator's sessions be of another kind."""

    async def opened(hosts: Sequence[str], credential: Credential | None, tls: ClientTls | None = None) -> Any:
        return kind(world, [host.rpartition(":")[0] for host in hosts], credential, **more)

    world.open = opened  # type: ignore[method-assign]


def add_nine(world: EnsembleWorld) -> None:
    assert world.committed is not None
    world.reconfigure_by_hand((*world.committed.servers, server_of(NAMES, 9)))


async def test_an_ensemble_that_has_changed_since_is_not_even_asked() -> None:
    edge, step = await growing()
    sessions(edge.world, Hands)
    Hands.asked = 0
    add_nine(edge.world)
    edge.world._elect = lambda: None  # type: ignore[method-assign]
    assert isinstance(await edge.take(step), ConflictError)
    assert Hands.asked == 0


async def test_what_somebody_commits_at_the_last_moment_is_not_overwritten() -> None:
    edge, step = await growing()
    sessions(edge.world, Hands, before=lambda: add_nine(edge.world))
    assert isinstance(await edge.take(step), ConflictError)
    assert edge.world.committed is not None
    assert edge.world.committed.voters == {1, 9}


class Lost(WorldSession):
    """A session whose reconfiguration is lost before it arrives."""

    async def reconfig(self, **_: Any) -> tuple[str, int]:
        raise UnknownOutcomeError("the connection was lost")


async def test_a_reconfiguration_that_never_arrived_is_not_told_as_done() -> None:
    edge, _ = await growing()
    world = edge.world
    opened = world.open
    sessions(world, Lost)
    for _ in range(3):
        await world.turn()
    assert "Reconfigured" not in {event["reason"] for event in world.api.every(EVENTS)}
    world.open = opened  # type: ignore[method-assign]
    await world.rest()
    assert "Reconfigured" in {event["reason"] for event in world.api.every(EVENTS)}


async def test_nothing_is_reconfigured_while_nobody_or_more_than_one_leads() -> None:
    edge, step = await growing()
    before = edge.world.committed
    edge.observed = type(edge.observed)(pods=edge.observed.pods)
    assert isinstance(await edge.take(step), UnsafeError)
    assert edge.world.committed == before


class Strange(WorldSession):
    """A session with the ensemble that has got a member's old address."""

    async def sync(self, path: str) -> None:
        return None

    async def get(self, path: str) -> Node:
        return Node(STRANGER.encode(), Stat(*(0,) * 11), 1)

    async def reconfig(self, **_: Any) -> tuple[str, int]:
        raise AssertionError("another ensemble is reconfigured")


@pytest.mark.parametrize("kind", [RemovePods, DeleteClaim])
async def test_another_ensemble_at_a_members_address_confirms_nothing(kind: type[Step]) -> None:
    edge, step = await shrinking(kind)
    before = replicas(edge.world), claims(edge.world)
    sessions(edge.world, Strange)
    refused = await edge.take(step)
    assert (replicas(edge.world), claims(edge.world)) == before
    assert isinstance(refused, ConflictError)


async def test_another_ensemble_of_the_same_version_is_not_reconfigured() -> None:
    edge, step = await growing()
    sessions(edge.world, Strange)
    step = Reconfigure(step.joining, step.leaving, 0x999, step.voters)
    assert isinstance(await edge.take(step), ConflictError)


async def test_an_ensemble_under_an_earlier_domain_is_still_ours() -> None:
    edge, step = await shrinking(RemovePods)
    assert edge.world.committed is not None
    old = [line.replace("cluster.local", "old.example") for line in edge.world.committed.lines]
    edge.world._config_text = lambda: "\n".join((*old, "version=100"))  # type: ignore[method-assign]
    assert await edge.take(step) is None
    assert replicas(edge.world) == 1


async def test_the_password_of_somebody_elses_secret_is_not_used() -> None:
    edge, step = await growing()
    made_again(edge.world, SECRETS, NAMES.secret, ownerReferences=[])
    before = edge.world.committed
    assert isinstance(await edge.take(step), TransientError)
    assert edge.world.committed == before


def _unconditional_reconfiguration(patch: pytest.MonkeyPatch) -> None:
    reconfig = WorldSession.reconfig

    async def from_whatever(
        self: WorldSession, *, joining: Sequence[str] = (), leaving: Sequence[int] = (), from_config: int
    ) -> tuple[str, int]:
        present = self._world.committed
        assert present is not None
        return await reconfig(self, joining=joining, leaving=leaving, from_config=present.version)

    patch.setattr(WorldSession, "reconfig", from_whatever)


SEEDS = (
    Seed(
        "whose the Secret is",
        anybodys_secret,
        (test_the_password_of_somebody_elses_secret_is_not_used,),
    ),
    Seed(
        "the ensemble's hosts",
        replaced(Names, "is_host", lambda *_: True),
        (
            *(
                claim_with(test_another_ensemble_at_a_members_address_confirms_nothing, kind)
                for kind in (RemovePods, DeleteClaim)
            ),
            test_another_ensemble_of_the_same_version_is_not_reconfigured,
        ),
    ),
    Seed(
        "the version is compared before a reconfiguration",
        rewritten(reconfigurer, "Reconfigurer.change", "if present.version != step.from_version:", "if not present:"),
        (test_an_ensemble_that_has_changed_since_is_not_even_asked,),
    ),
    Seed(
        "the version goes with a reconfiguration",
        _unconditional_reconfiguration,
        (test_what_somebody_commits_at_the_last_moment_is_not_overwritten,),
    ),
    Seed(
        "a reconfiguration is read back",
        rewritten(reconfigurer, "Reconfigurer.change", "if outcome.voters != step.voters:", "if not outcome:"),
        (test_a_reconfiguration_that_never_arrived_is_not_told_as_done,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
