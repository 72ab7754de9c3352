"""What an edit of `spec.keys.separator`, `stripPrefix` or a source's prefix does: keys get other names. Pure.

Nothing else changes. The ConfigMap's own values move in one write, and with them the base: its zxid and digests stay,
so that edits of either side that are not synchronised yet are merged afterwards, and nothing counts as deleted or
created.
"""

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from zkoperator.mirror.model.config_map import Content
from zkoperator.mirror.model.decision import shown_name
from zkoperator.mirror.model.keys import Unmappable
from zkoperator.mirror.model.ledger import Ledger, effective_digests, pushed_since
from zkoperator.mirror.model.merge_base import Base, short, value_digest
from zkoperator.mirror.model.naming import Naming
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.plan.pull import WriteConfigMap
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.zk.snapshot import Snapshot

_UNDO = "nothing is renamed or written until spec.keys is as it was, or this is mended"


@dataclass(frozen=True, slots=True)
class Renaming:
    """The write that gives the keys of a base their new names.

    Args:
        base: with the new names.
        moves: new key -> its value, for keys of the ConfigMap.
        removes: former keys of the ConfigMap.
        blocked: why the keys cannot be renamed, "" when they can.
    """

    base: Base
    moves: Mapping[str, bytes] = field(default_factory=dict)
    removes: frozenset[str] = frozenset()
    blocked: str = ""


def renaming_of(sync: ValidatedSync, observed: Observed, base: Base | None) -> Renaming | None:
    """Return how the keys are renamed, None when they have the names that the spec asks for."""
    naming, content = sync.selection.naming, observed.content
    if base is None or content is None or base.naming == naming.without_short_keys:
        return None
    ledger = observed.ledger if base.sync_uid == sync.uid else None
    known = _paths_of(base, ledger)
    names = _names(known, naming)
    if isinstance(names, str):
        return Renaming(base, blocked=f"{names}; {_UNDO}")
    left_out = {key for key in known if key not in names and naming.relative(known[key]) is None}
    taken = set(names.values())
    changed = {key: new for key, new in names.items() if key != new and key in content.keys}
    if (blocked := _blocked(changed, content, sync, known.keys())) != "":
        return Renaming(base, blocked=blocked)
    moves = _moves(changed, observed)
    shadowed = known.keys() - names.keys() - left_out
    removes = (changed.keys() | (shadowed & content.keys.keys())) - moves.keys()
    kept = _without(_folded(base, ledger, known, observed.snapshot), shadowed | (left_out & taken))
    paths = {names.get(key, key): path for key, path in known.items() if key in names or key in left_out - taken}
    irregular = {key: path for key, path in paths.items() if naming.path_of(key) != path}
    renamed = _renamed(kept, names)
    renamed = replace(renamed, naming=naming.without_short_keys, paths=irregular)
    return Renaming(renamed, moves, frozenset(removes))


def _names(known: Mapping[str, str], naming: Naming) -> dict[str, str] | str:
    """Return the new name of each key, or why there is none. Of several subtrees, the last one that has a key wins.

    A key of a subtree that the spec does not name any more has no new name, nor has one that another subtree's hides.
    """
    winners: dict[str, str] = {}
    for key, path in known.items():
        new = naming.key_of(path)
        if isinstance(new, Unmappable):
            if naming.relative(path) is None:
                continue
            return f"{shown_name(key)}: {new.reason}"
        rival = known[winners[new]] if new in winners else None
        if rival is not None and naming.number_of(rival) == naming.number_of(path):
            return f"znodes {shown_name(rival)} and {shown_name(path)} would both be key {new}"
        if rival is None or (naming.number_of(path) or 0) > (naming.number_of(rival) or 0):
            winners[new] = key
    return {key: new for new, key in winners.items()}


def renaming_step(renaming: Renaming, content: Content) -> WriteConfigMap:
    """Return the write."""
    return WriteConfigMap({}, {}, renaming.removes, renaming.base, content.resource_version, values=renaming.moves)


def _paths_of(base: Base, ledger: Ledger | None) -> dict[str, str]:
    """Return the paths of the keys that are common. A key from which no path follows keeps its name."""
    keys = sorted({*base.digests, *base.detached, *pushed_since(base, ledger)})
    paths = {key: base.paths.get(key) or base.naming.path_of(key) for key in keys}
    return {key: path for key, path in paths.items() if isinstance(path, str)}


def _moves(changed: Mapping[str, str], observed: Observed) -> dict[str, bytes]:
    return {new: observed.value_of(key) for key, new in changed.items()}


def _blocked(changed: Mapping[str, str], content: Content, sync: ValidatedSync, known: Collection[str]) -> str:
    """Return why these keys cannot be renamed: it would take away a value, or edit what is somebody else's."""
    if changed and not sync.rules.pulls:
        message = f"with direction: ConfigMapToZooKeeper the keys are named by whoever writes the {sync.target.kind}"
        return f"{message}; {_UNDO}, or the ConfigSync is deleted and created again"
    for key, new in changed.items():
        if sync.format is not None and (why := sync.format.problem_of(new, None)):
            return f"{shown_name(key)} would become {shown_name(new)}: {why}; {_UNDO}"
        held = content.keys.get(new) if new not in known else None
        if held is not None and held.digest != content.keys[key].digest:
            return f"{shown_name(key)} would become {shown_name(new)}, which {sync.target} has already; {_UNDO}"
    return ""


def _folded(base: Base, ledger: Ledger | None, paths: Mapping[str, str], snapshot: Snapshot) -> Base:
    """Return the base with what was pushed since. The entries of the ledger keep the former names, and end with it."""
    pushed = pushed_since(base, ledger)
    if ledger is None or not pushed:
        return base
    digests = effective_digests(base, ledger)
    unsettled = (key for key, digest in digests.items() if not _is_settled(paths.get(key), digest, snapshot))
    return replace(
        base,
        zxid=max(base.zxid, ledger.last_push_zxid),
        digests=digests,
        detached={key: item for key, item in base.detached.items() if key not in pushed},
        adopting=base.adopting - pushed.keys(),
        unsettled=frozenset(unsettled),
    )


def _is_settled(path: str | None, digest: bytes, snapshot: Snapshot) -> bool:
    znode = snapshot.nodes.get(path) if path is not None else None
    return znode is not None and short(znode.digest) == value_digest(digest)


def _without(base: Base, keys: AbstractSet[str]) -> Base:
    return replace(
        base,
        digests={key: digest for key, digest in base.digests.items() if key not in keys},
        detached={key: item for key, item in base.detached.items() if key not in keys},
        unsettled=base.unsettled - keys,
        adopting=base.adopting - keys,
        ephemeral=base.ephemeral - keys,
    )


def _renamed(base: Base, names: Mapping[str, str]) -> Base:
    def new(key: str) -> str:
        return names.get(key, key)

    return replace(
        base,
        digests={new(key): digest for key, digest in base.digests.items()},
        detached={new(key): item for key, item in base.detached.items()},
        unsettled=frozenset(map(new, base.unsettled)),
        adopting=frozenset(map(new, base.adopting)),
        ephemeral=frozenset(map(new, base.ephemeral)),
    )
