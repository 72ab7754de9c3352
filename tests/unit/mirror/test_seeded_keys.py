"""Each rule about keys, values and restarts is taken out by one patch, and the scenario that shows it must fail."""

import re
from functools import partial

import pytest

from tests.support.worlds.mirror import World
from tests.unit.mirror import test_keys
from tests.unit.mirror.test_seeded_guards import Bug
from zkoperator.mirror.model import keys

BUGS = (
    Bug(
        "a text for whatever is UTF-8",
        keys,
        "_NOT_IN_YAML",
        re.compile(r"(?!)"),
        partial(test_keys.test_a_value_that_yaml_cannot_carry_stands_in_binary_data, value="\x7f"),
    ),
)


@pytest.mark.parametrize("bug", BUGS, ids=str)
async def test_the_scenario_notices(bug: Bug, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = World.until
    monkeypatch.setattr(World, "until", lambda self, probe, *, within_s=0.0: waited(self, probe, within_s=4))
    monkeypatch.setattr(bug.where, bug.what, bug.instead)
    with pytest.raises(AssertionError):
        await bug.scenario(world)
