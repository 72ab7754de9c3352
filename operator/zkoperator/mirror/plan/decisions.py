"""Decides for every key of a ConfigSync what has to be written, by the table of the merge. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from zkoperator.api.reasons import SyncReason
from zkoperator.mirror.model.config_map import Content, Held
from zkoperator.mirror.model.decision import Action, Decision, Problem, short_hash
from zkoperator.mirror.model.keys import Unmappable
from zkoperator.mirror.model.merge_base import (
    EMPTY_DIGEST,
    EMPTY_PARENT,
    EMPTY_PUSHED,
    Detached,
    Side,
    short,
    value_digest,
)
from zkoperator.mirror.model.rules import Rules
from zkoperator.mirror.model.selected_znodes import SelectedZnodes, selected_path
from zkoperator.mirror.model.selection import Selection
from zkoperator.mirror.plan.merge import KeyState, decide
from zkoperator.mirror.plan.push import MAX_VALUE_BYTES, blocked_by

_REFUSED_READ: Final = (
    "the ensemble refuses to show this znode; its ACL must admit spec.zookeeper.credentialsSecret, or "
    "spec.keys.exclude must name it and all below it (name/**)"
)


@dataclass(slots=True)
class Decisions:
    """The outcome for all keys.

    Args:
        open: keys for which something has to happen, conflicts included.
        equal: number of keys that are equal on both sides.
        equal_bytes: bytes of their values.
        dropped: keys of the base that are not selected any more.
        only_emptied: open deletions of empty keys whose znode became an empty parent: they do not count as deletions.
        resolved: keys that a resolution has decided.
    """

    open: list[Decision] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    equal: int = 0
    equal_bytes: int = 0
    dropped: set[str] = field(default_factory=set)
    only_emptied: set[str] = field(default_factory=set)
    resolved: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class MergeInput:
    """Both sides and their base. `content` is None while there is no ConfigMap; `refused` keys cannot be pushed.

    `shown` are the conflicts that the status lists, as short hashes of both sides: a resolution settles only the values
    that its author saw in the status, not a later edit. `adopting` are the keys for which the adoption policy still
    decides, None for all. `flapping` keys are held. `base_zxid` is the state of the subtree that the annotation has.
    `paths` are those that a base remembers, as they do not follow from their keys. `ephemeral` keys end with a session.
    """

    selected: SelectedZnodes
    content: Content | None
    digests: Mapping[str, bytes]
    detached: Mapping[str, Detached]
    resolve: Mapping[str, Side]
    selection: Selection
    refused: Mapping[str, Problem] = field(default_factory=dict)
    shown: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    all_are_shown: bool = True
    adopting: frozenset[str] | None = None
    flapping: frozenset[str] = frozenset()
    base_zxid: int = 0
    paths: Mapping[str, str] = field(default_factory=dict)
    ephemeral: frozenset[str] = frozenset()


def decide_all(given: MergeInput, rules: Rules) -> Decisions:
    """Return what has to happen, key by key in a stable order."""
    found = Decisions()
    for unmappable in sorted(given.selected.unmappable, key=lambda one: one.name) if rules.pulls else ():
        found.problems.append(Problem(SyncReason.KEY_INVALID, unmappable.name, unmappable.reason))
    for path in sorted(given.selected.snapshot.unreadable):
        if given.selection.may_reach(path):
            found.problems.append(Problem(SyncReason.FORBIDDEN, path or "/", _REFUSED_READ))
    for key, path in _universe(given, rules, found):
        _decide_key(key, path, given, rules, found)
    return found


def _universe(given: MergeInput, rules: Rules, found: Decisions) -> Iterator[tuple[str, str]]:
    """Yield every key that takes part, with its path."""
    yield from sorted((key, given.selected.paths[key]) for key in given.selected.keys)
    held = given.content.keys if given.content is not None else {}
    others = {*held, *given.digests, *given.detached} - given.selected.keys.keys() - given.selected.contested
    for key in sorted(others):
        path = given.selected.paths.get(key) or _known_path(key, given)
        if isinstance(path, str):
            if _is_left_out(key, path, given, rules):
                found.dropped.update({key} & given.digests.keys())
            elif not _is_out_of_reach(key, path, given, rules, found):
                yield key, path
        elif isinstance(path, Unmappable) and rules.pushes and key in held:
            found.problems.append(Problem(SyncReason.KEY_INVALID, key, path.reason))
        elif path is None and (key in given.digests or key in given.detached):
            found.dropped.add(key)


def _known_path(key: str, given: MergeInput) -> str | Unmappable | None:
    """Return the path of a key that no znode has now, None if it is not selected."""
    path = given.paths.get(key)
    if path is None:
        return selected_path(key, given.selection)
    if not given.selection.takes(path):
        return None
    # A key that was pulled from this path may not be pushed to the one that it stands for by itself.
    return path if given.selection.naming.key_of(path) == key else given.selection.naming.unfit(key, path)


def _is_left_out(key: str, path: str, given: MergeInput, rules: Rules) -> bool:
    """Whether the key was an ephemeral znode and ephemeral znodes are no longer selected, which deletes nothing."""
    if rules.pushes or key not in given.selected.taken:
        return False
    return given.selected.snapshot.nodes[path].czxid <= given.base_zxid


def _is_out_of_reach(key: str, path: str, given: MergeInput, rules: Rules, found: Decisions) -> bool:
    """Whether nothing is known about the znode of the key, or the znode cannot be created."""
    if given.selected.is_unknown(path):
        return True
    if not rules.pushes or given.content is None or key not in given.content.keys:
        return False
    why = "its znode is ephemeral" if key in given.selected.taken else blocked_by(path, given.selected)
    if why is None:
        return False
    found.problems.append(Problem(SyncReason.KEY_INVALID, key, why))
    return True


def _decide_key(key: str, path: str, given: MergeInput, rules: Rules, found: Decisions) -> None:
    znode = given.selected.keys.get(key)
    held = given.content.keys.get(key) if given.content is not None else None
    recorded = given.digests.get(key)
    base = value_digest(recorded)
    zookeeper = short(znode.digest) if znode is not None else None
    config_map = short(held.digest) if held is not None else None
    detached = given.detached.get(key)
    if held is not None and zookeeper == config_map:
        found.equal += 1
        found.equal_bytes += held.length
        if base == zookeeper and detached is None:
            return
    if znode is None and key in given.selected.empty_parents:
        if config_map == EMPTY_DIGEST:
            _decide_empty_parent(key, path, recorded, rules, found)
            return
        is_ours = recorded in (EMPTY_PARENT, EMPTY_PUSHED) or (base == EMPTY_DIGEST and config_map is not None)
        if rules.pushes and is_ours:
            base = zookeeper = EMPTY_DIGEST
    if base == EMPTY_PARENT and zookeeper != config_map:
        # Both sides had the empty value: the znode has got data since, or somebody has deleted it.
        base = EMPTY_DIGEST
    resolve = _resolution(key, zookeeper, config_map, given)
    state = KeyState(base, zookeeper, config_map, detached, resolve, key in given.flapping)
    action = decide(state, _rules_for(key, base, given, rules))
    if resolve is not None:
        found.resolved.add(key)
    if action is Action.TO_ZOOKEEPER and (problem := _push_problem(key, held, given)) is not None:
        found.problems.append(problem)
        return
    if action is not Action.NOTHING:
        fallen = _fallen(key, path, given) if action is Action.TO_CONFIG_MAP else ""
        found.open.append(Decision(key, path, action, _as_recorded(action, zookeeper, rules), config_map, fallen))


def _fallen(key: str, path: str, given: MergeInput) -> str:
    """Return the path of the znode that had the key, "" unless it is selected as before and was deleted."""
    was = given.paths.get(key, path)
    if was == path or key in given.ephemeral or was in given.selected.snapshot.nodes:
        return ""
    return was if given.selection.takes(was) else ""


def _as_recorded(action: Action, zookeeper: bytes | None, rules: Rules) -> bytes | None:
    """Record an empty value that both sides have as one that the ConfigMap had first."""
    is_both = action is Action.RECORD and zookeeper == EMPTY_DIGEST and rules.pushes
    return EMPTY_PUSHED if is_both else zookeeper


def _rules_for(key: str, base: bytes | None, given: MergeInput, rules: Rules) -> Rules:
    """Return the rules, without adoption policy if the key was synchronised before or came during an adoption."""
    if rules.adoption is None or (base is None and (given.adopting is None or key in given.adopting)):
        return rules
    return replace(rules, adoption=None)


def _decide_empty_parent(key: str, path: str, base: bytes | None, rules: Rules, found: Decisions) -> None:
    """An empty key equals an empty parent, unless it was pulled while the znode was a leaf."""
    if base == EMPTY_DIGEST and rules.pulls and not rules.retain:
        found.only_emptied.add(key)
        found.open.append(Decision(key, path, Action.TO_CONFIG_MAP, None, EMPTY_DIGEST))
    elif base != EMPTY_PARENT and rules.pushes:
        found.open.append(Decision(key, path, Action.RECORD, EMPTY_PARENT, EMPTY_DIGEST))


def _resolution(key: str, zookeeper: bytes | None, config_map: bytes | None, given: MergeInput) -> Side | None:
    if key not in given.resolve:
        return None
    seen = given.shown.get(key)
    if seen == (short_hash(zookeeper), short_hash(config_map)) or (seen is None and not given.all_are_shown):
        return given.resolve[key]
    return None


def _push_problem(key: str, held: Held | None, given: MergeInput) -> Problem | None:
    if key in given.refused:
        return given.refused[key]
    if held is None or held.length <= MAX_VALUE_BYTES:
        return None
    message = f"{held.length} bytes; at most {MAX_VALUE_BYTES} can be pushed to a znode"
    return Problem(SyncReason.TOO_LARGE, key, message)
