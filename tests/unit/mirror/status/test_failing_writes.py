"""Writes that all fail: what the status says of them."""

import json
from typing import Any

import pytest

from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.mirror import NAMESPACE, World
from zkoperator.errors import ZkOperatorError
from zkoperator.kube.failures import Request, translate
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS
from zkoperator.mirror import reconcile


def _webhook_down(number: int) -> ZkOperatorError:
    """The error of a webhook that does not answer, in words that are others at each retry and quote a value."""
    message = (
        f'Internal error occurred: failed calling webhook "guard.example.com": failed to call webhook: Post '
        f'"https://guard.policy.svc/check?id={number}": context deadline exceeded ("secret value")'
    )
    body = {"kind": "Status", "reason": "InternalError", "code": 500, "message": message}
    request = Request("patch", CONFIG_MAPS, NAMESPACE, "shop")
    return translate(request, 500, json.dumps(body).encode(), {})


async def test_writes_that_all_fail_are_told_in_words_that_stay_the_same(world: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()

    def refuse(operation: Any) -> None:
        if operation.verb == "patch" and operation.resource is CONFIG_MAPS:
            raise _webhook_down(len(world.kube.operations))

    world.kube.before = refuse
    world.node("a", "2")
    await world.until_reason("Syncing")
    assert "patch configmaps: HTTP 500 InternalError (webhook guard.example.com failed)" in world.message()
    before = world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.quiet()
    assert world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop") == before
    world.kube.before = lambda _: None
    await world.until(lambda: (world.data() or {})["a"] == b"2")
    await world.until_in_sync()


async def _no_report(*_: Any) -> None:
    return None


SEEDS = (
    Seed(
        "writes that all fail are reported",
        replaced(reconcile.MirrorReconciler, "_report_failing", _no_report),
        (in_world(test_writes_that_all_fail_are_told_in_words_that_stay_the_same),),
    ),
    Seed(
        "the words about failing writes are the same at each retry",
        replaced(reconcile, "brief_of", str),
        (in_world(test_writes_that_all_fail_are_told_in_words_that_stay_the_same),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
