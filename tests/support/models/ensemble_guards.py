"""Guards and their stories: a story passes with the guard, and with the guard taken out the same story fails."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.support.models.ensemble_simulation import Simulation, raw_cluster, valid
from zkoperator.ensemble.observe.answers import Silent
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.plan import Plan, make_plan
from zkoperator.ensemble.status.status import status_of
from zkoperator.kube.port import Manifest

NOW = "2026-01-02T03:04:05Z"


@dataclass(frozen=True)
class Guard:
    """A story, and the bug that takes its guard out."""

    story: Callable[[], None]
    bug: Callable[[pytest.MonkeyPatch], None]

    def __str__(self) -> str:
        return f"{self.story.__name__}-{self.bug.__name__.strip('_')}"

    def is_noticed(self, patch: pytest.MonkeyPatch) -> None:
        self.bug(patch)
        with pytest.raises(AssertionError):
            self.story()


def at_rest(replicas: int = 3, kind: type[Simulation] = Simulation, **spec: Any) -> Simulation:
    world = kind(raw_cluster(replicas, **spec))
    world.settle()
    return world


def dark(observed: Observed, *members: int, for_s: float) -> Observed:
    answers = {**observed.answers, **dict.fromkeys(members, Silent("it does not answer"))}
    return replace(observed, answers=answers, downtime_s=dict.fromkeys(members, for_s), leaderless_s=for_s)


def planned(world: Simulation, observed: Observed) -> Plan:
    return make_plan(valid(world.raw), observed)


def first_restarted(world: Simulation) -> int:
    """Play until a member is restarted, which then does not come back."""
    for _ in range(10):
        if world.restarts:
            break
        world.tick()
    (first,) = world.restarts
    world.stuck = frozenset({first})
    world.tick()
    return first


def told(world: Simulation, observed: Observed) -> dict[str, Manifest]:
    cluster = valid(world.raw)
    found = status_of(cluster, observed, make_plan(cluster, observed), NOW)["conditions"]
    return {condition["type"]: condition for condition in found}
