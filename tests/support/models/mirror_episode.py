"""Episodes of the crash model, each in an event loop and a time of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.fakes.warp import run_warped, silent
from tests.support.models.mirror_walk import Action, Model


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one episode."""

    direction: str
    steps: int
    violations: list[str]


def episode(seed: int, steps: int, script: Sequence[tuple[Action, int]] = ()) -> Outcome:
    """Run one episode in a loop of its own, without a real second of waiting. A script is done first."""
    outcome: list[Outcome] = []

    async def work() -> None:
        model = Model(seed, script)
        violations = await model.main(steps)
        outcome.append(Outcome(model.direction, model.steps, violations))

    with silent():
        run_warped(work())
    return outcome[0]
