"""The names of the common keys in the status: packed only when they are others, left out when they are too many."""

import pytest

from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, rewritten
from tests.support.worlds.mirror import World
from zkoperator.api.sync import MAX_COMMON
from zkoperator.mirror.model import common
from zkoperator.mirror.model.common import NOTHING_COMMON, common_text
from zkoperator.mirror.model.merge_base import DIGEST_BYTES, Base, decode_base, encode_base
from zkoperator.mirror.plan import recall


def _base(keys: int) -> Base:
    return Base("uid", 0, digests={f"{number * 7919:x}__{number}": b"2" * DIGEST_BYTES for number in range(keys)})


async def test_a_change_of_a_value_packs_no_names(world: World) -> None:
    world.tree(a="1", b="1")
    world.sync()
    await world.until_in_sync()
    await world.until(lambda: world.status().get("common"))
    packed: list[int] = []
    original = encode_base

    def packing(base: Base) -> str:
        packed.append(len(base.digests))
        return original(base)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(common, "encode_base", packing)
        world.node("a", "2")
        await world.until(lambda: world.data() == {"a": b"2", "b": b"1"})
        await world.quiet()
        assert packed == []
        world.node("c", "1")
        await world.until(lambda: "c" in (world.data() or {}))
        await world.quiet()
        assert packed == [3]


def test_eight_thousand_keys_fit_and_of_more_than_fit_nothing_is_kept() -> None:
    few, many = (common_text(_base(keys), NOTHING_COMMON).text for keys in (8_000, 40_000))
    known = decode_base(few)
    assert known is not None
    assert (len(few) <= MAX_COMMON, len(known.digests), many) == (True, 8_000, "")


def test_other_keys_make_another_text() -> None:
    one = common_text(_base(3), NOTHING_COMMON)
    assert common_text(_base(3), one) is one
    assert common_text(_base(4), one).text != one.text


def _packed_each_time(patch: pytest.MonkeyPatch) -> None:
    rewritten(common, "common_text", "if source == known.source:", "if False:")(patch)
    patch.setattr(recall, "common_text", common.common_text)


SEED = Seed(
    "the text of the pass before is taken", _packed_each_time, (in_world(test_a_change_of_a_value_packs_no_names),)
)


async def test_an_operator_without_this_guard_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    await SEED.is_noticed(monkeypatch)
