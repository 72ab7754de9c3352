"""kopf is kept from what would end it, kill us or need more rights."""

from itertools import islice

import kopf

from zkoperator.handlers.kopf_settings import narrow_settings
from zkoperator.handlers.registration import register
from zkoperator.kube.port import CONFIG_SYNCS, ZOOKEEPER_CLUSTERS


def test_the_pauses_between_attempts_never_run_out_and_never_exceed_half_a_minute() -> None:
    backoffs = narrow_settings().networking.error_backoffs
    assert not isinstance(backoffs, float)
    pauses = list(islice(backoffs, 10_000))
    assert len(pauses) == 10_000
    assert min(pauses) > 0
    assert max(pauses) <= 30
    assert next(iter(backoffs)) < 1


def test_kopf_never_kills_the_process() -> None:
    assert narrow_settings().process.ultimate_exiting_timeout is None


def test_only_handlers_that_keep_nothing_on_the_object_are_registered() -> None:
    registry = kopf.OperatorRegistry()
    register(registry, {ZOOKEEPER_CLUSTERS: lambda *_: None, CONFIG_SYNCS: lambda *_: None})
    selectors = [str(handler.selector) for handler in registry._watching.get_all_handlers()]
    assert len(selectors) == 2
    for resource in (ZOOKEEPER_CLUSTERS, CONFIG_SYNCS):
        assert any(resource.plural in selector for selector in selectors)
    for others in (registry._changing, registry._spawning, registry._indexing, registry._webhooks):
        assert list(others.get_all_handlers()) == []
