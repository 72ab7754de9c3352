"""Take any one rule away and some bad object goes through, or is refused without the advice: no idle rule."""

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest

from tests.support.models.bad import Bad
from tests.support.models.bad_objects import BAD_OBJECTS
from zkoperator.api.backup import ZooKeeperBackup
from zkoperator.api.backup_schedule import ZooKeeperBackupSchedule
from zkoperator.api.cluster import ZooKeeperCluster
from zkoperator.api.meta import Model
from zkoperator.api.parse import parse
from zkoperator.api.rules import Rule, Rules
from zkoperator.api.sync import ConfigSync
from zkoperator.api.znode import ZNode
from zkoperator.api.zoocfg import ALLOWED

KINDS: dict[str, type[Model]] = {
    "ZooKeeperCluster": ZooKeeperCluster,
    "ConfigSync": ConfigSync,
    "ZooKeeperBackup": ZooKeeperBackup,
    "ZooKeeperBackupSchedule": ZooKeeperBackupSchedule,
    "ZNode": ZNode,
}


def config(claim: str, entries: dict[str, str], where: str, says: str) -> Bad:
    return Bad(claim, "ZooKeeperCluster", {"config": entries}, where, says)


ROWS = (
    *BAD_OBJECTS,
    *(
        config(f"bad {key}", {key: "?"}, f"spec.config{f'.{key}' if key.isidentifier() else f'[{key}]'}", "write ")
        for key in ALLOWED
    ),
    config("sessions", {"minSessionTimeout": "50000"}, "spec.config", "minSessionTimeout (50000 ms)"),
)


def rules_of(annotation: Any, seen: set[Any]) -> Iterator[Rule]:
    """Every rule of a type and of the types that it is made of."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        if annotation not in seen:
            seen.add(annotation)
            yield from annotation.rules
            for field in annotation.model_fields.values():
                yield from rules_of(Annotated[field.annotation, *field.metadata, "field"], seen)
        return
    if get_origin(annotation) is Annotated:
        yield from (rule for part in annotation.__metadata__ if isinstance(part, Rules) for rule in part._rules)
    for part in get_args(annotation):
        yield from rules_of(part, seen)


def unique(rules: Iterator[Rule]) -> list[Rule]:
    return list({id(rule): rule for rule in rules if rule.holds is not None}.values())


ALL = [rule for model in KINDS.values() for rule in unique(rules_of(model, set()))]


@pytest.fixture(scope="module")
def broken_by() -> dict[int, list[Bad]]:
    """The rows that break a rule, by the rule's identity."""
    found: dict[int, list[Bad]] = {}
    failure = Rule.failure
    with pytest.MonkeyPatch.context() as patch:
        for bad in ROWS:

            def recording(rule: Rule, value: Any, bad: Bad = bad) -> tuple[str, str] | None:
                result = failure(rule, value)
                if result is not None:
                    found.setdefault(id(rule), []).append(bad)
                return result

            patch.setattr(Rule, "failure", recording)
            parse(KINDS[bad.kind], bad.manifest)
    return found


def is_refused_as_it_should_be(bad: Bad) -> bool:
    found = parse(KINDS[bad.kind], bad.manifest)
    return isinstance(found, tuple) and any(e.path == bad.field and bad.says in e.message for e in found)


def test_all_rules_are_found_and_all_rows_are_refused() -> None:
    assert len(ALL) > len(ALLOWED) + 30
    assert [bad for bad in ROWS if not is_refused_as_it_should_be(bad)] == []


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: f"{rule.field}-{rule.message[:40]}")
def test_without_the_rule_the_table_fails(rule: Rule, broken_by: dict[int, list[Bad]]) -> None:
    rows = broken_by.get(id(rule), [])
    holds = rule.holds
    object.__setattr__(rule, "holds", None)
    try:
        missed = [bad for bad in rows if not is_refused_as_it_should_be(bad)]
    finally:
        object.__setattr__(rule, "holds", holds)
    assert missed, f"no bad object needs: {rule.message}"
