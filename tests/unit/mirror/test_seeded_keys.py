"""Each rule about keys, values and restarts is taken out by one patch, and the scenario that shows it must fail."""

import re
from functools import partial

import pytest

from tests.support.worlds.mirror import World
from tests.unit.mirror import test_keys
from tests.unit.mirror.test_seeded_guards import Bug
from zkoperator.mirror.model import keys, selected_znodes, selection

BUGS = (
    Bug(
        "globs for paths alone",
        selection.Selection,
        "takes_key",
        lambda *_: True,
        partial(test_keys.test_a_key_that_is_no_path_is_left_out_as_its_message_says, key="__init__.py"),
    ),
    Bug(
        "the meant path forgotten",
        selected_znodes,
        "literal_path",
        lambda key: key,
        test_keys.test_a_selected_key_that_is_no_path_is_still_told,
    ),
    Bug(
        "advice that decodes",
        keys,
        "literal_path",
        lambda key: keys._decode(key) or key,
        partial(test_keys.test_the_advice_about_a_key_that_is_no_path_makes_the_znode_of_that_name, key="tls_x509.pem"),
    ),
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
