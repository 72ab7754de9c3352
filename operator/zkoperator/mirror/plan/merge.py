"""The three-way merge of one key: base, znode and ConfigMap decide; times do not count. Pure.

None stands for "absent". Digests are shortened as in a base. The table is that of docs/consistency.md; the tests hold
it against an independent model.
"""

from dataclasses import dataclass

from zkoperator.api.sync import AdoptionPolicy
from zkoperator.mirror.model.decision import Action
from zkoperator.mirror.model.merge_base import Detached, Side
from zkoperator.mirror.model.rules import Rules


@dataclass(frozen=True, slots=True)
class KeyState:
    """One key on both sides and in the base. `resolve` is the side that a resolution names for this key.

    `flaps`: both sides keep reverting one another, so that only a resolution decides the key.
    """

    base: bytes | None
    zookeeper: bytes | None
    config_map: bytes | None
    detached: Detached | None = None
    resolve: Side | None = None
    flaps: bool = False


def decide(state: KeyState, rules: Rules) -> Action:
    """Return what has to happen for the key."""
    if state.zookeeper == state.config_map:
        return _both_equal(state)
    if state.flaps and state.resolve is not None:
        return _settle(state, rules)
    if state.detached is not None:
        return _detached(state, state.detached, rules)
    if state.base is None:
        return _never_synced(state, rules)
    if state.config_map == state.base:
        return _only_zookeeper_changed(state, rules)
    if state.zookeeper == state.base:
        return _only_config_map_changed(state, rules)
    return _both_changed(state, rules)


def _both_equal(state: KeyState) -> Action:
    if state.zookeeper is None:
        return Action.NOTHING if state.base is None and state.detached is None else Action.FORGET
    return Action.NOTHING if state.base == state.zookeeper and state.detached is None else Action.RECORD


def _detached(state: KeyState, detached: Detached, rules: Rules) -> Action:
    """Leave the key on the side that kept it, until somebody creates it again on the other side."""
    kept, created = (
        (state.zookeeper, state.config_map)
        if detached.kept_by is Side.ZOOKEEPER
        else (state.config_map, state.zookeeper)
    )
    if created is None:
        return Action.NOTHING
    if kept is not None and kept != detached.digest:
        return _one_way(rules) or _settle(state, rules)
    return _copy(rules, to=detached.kept_by)


def _never_synced(state: KeyState, rules: Rules) -> Action:
    if state.config_map is None:
        return Action.TO_CONFIG_MAP if rules.pulls else Action.NOTHING
    if state.zookeeper is None:
        return Action.TO_ZOOKEEPER if rules.pushes else Action.NOTHING
    return _settle(state, rules)


def _only_zookeeper_changed(state: KeyState, rules: Rules) -> Action:
    if not rules.pulls:
        return Action.TO_ZOOKEEPER
    return Action.DETACH if state.zookeeper is None and rules.retain else Action.TO_CONFIG_MAP


def _only_config_map_changed(state: KeyState, rules: Rules) -> Action:
    if not rules.pushes:
        return Action.TO_CONFIG_MAP
    return Action.DETACH if state.config_map is None and rules.retain else Action.TO_ZOOKEEPER


def _both_changed(state: KeyState, rules: Rules) -> Action:
    source_deleted = (state.zookeeper if rules.pulls else state.config_map) is None
    if rules.retain and source_deleted and not (rules.pulls and rules.pushes):
        return Action.DETACH
    return _one_way(rules) or _settle(state, rules)


def _one_way(rules: Rules) -> Action | None:
    """In a one-way ConfigSync the source wins."""
    if not rules.pushes:
        return Action.TO_CONFIG_MAP
    return None if rules.pulls else Action.TO_ZOOKEEPER


def _copy(rules: Rules, *, to: Side) -> Action:
    if to is Side.CONFIG_MAP:
        return Action.TO_CONFIG_MAP if rules.pulls else Action.NOTHING
    return Action.TO_ZOOKEEPER if rules.pushes else Action.NOTHING


def _settle(state: KeyState, rules: Rules) -> Action:
    """Both sides differ and neither is the base."""
    winner = state.resolve or _preferred(rules)
    if rules.retain and state.resolve is None and winner is not None and _value(state, winner) is None:
        return Action.DETACH
    if winner is Side.ZOOKEEPER and rules.pulls:
        return Action.TO_CONFIG_MAP
    if winner is Side.CONFIG_MAP and rules.pushes:
        return Action.TO_ZOOKEEPER
    return Action.CONFLICT


def _value(state: KeyState, side: Side) -> bytes | None:
    return state.zookeeper if side is Side.ZOOKEEPER else state.config_map


def _preferred(rules: Rules) -> Side | None:
    policy = rules.adoption if rules.adoption in _ADOPTION_DECIDES else rules.conflicts
    return _WINNER.get(str(policy))


_ADOPTION_DECIDES = (AdoptionPolicy.PREFER_ZOOKEEPER, AdoptionPolicy.PREFER_CONFIG_MAP)
_WINNER = {"PreferZooKeeper": Side.ZOOKEEPER, "PreferConfigMap": Side.CONFIG_MAP}
