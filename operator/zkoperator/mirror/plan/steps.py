"""The writes of one pass: which keys go to the ConfigMap, which to znodes, and the base that goes with each. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from zkoperator.api.reasons import SyncReason
from zkoperator.mirror.model.acls import acl_of
from zkoperator.mirror.model.decision import Action, Decision, Problem
from zkoperator.mirror.model.ledger import FOLD_BYTES, Ledger
from zkoperator.mirror.model.merge_base import Base, Detached, Side, short, value_digest
from zkoperator.mirror.model.names import zxid_of
from zkoperator.mirror.model.naming import is_short
from zkoperator.mirror.model.roots import Roots, roots_of
from zkoperator.mirror.model.selected_znodes import SelectedZnodes, is_session_owned
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.plan.decisions import Decisions
from zkoperator.mirror.plan.guard import BaseState
from zkoperator.mirror.plan.index import index_bytes, index_change
from zkoperator.mirror.plan.marks import lost_marks, missing_decoration
from zkoperator.mirror.plan.pull import CreateConfigMap, WriteConfigMap, fit_base, fit_values, fits_annotation
from zkoperator.mirror.plan.push import Edit, PushInput, PushMulti, plan_push
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.zk.snapshot import Znode


@dataclass(frozen=True, slots=True)
class ClaimLedger:
    """Create the ledger (with the claim of the subtree), or fence off whoever may still hold the one that was read."""

    ledger: Ledger | None


Step = ClaimLedger | CreateConfigMap | WriteConfigMap | PushMulti


@dataclass(slots=True)
class Sorted:
    """Open decisions by the kind of write that carries them out, or by why they wait."""

    pulls: list[Decision] = field(default_factory=list)
    pushes: list[Decision] = field(default_factory=list)
    records: list[Decision] = field(default_factory=list)
    conflicts: list[Decision] = field(default_factory=list)
    flapping: list[Decision] = field(default_factory=list)
    held: list[Decision] = field(default_factory=list)
    is_approved: bool = False
    gone: tuple[Decision, ...] = ()
    """Deletions of znodes that rendered files follow: they are carried out with the files, by no write of their own."""


@dataclass(frozen=True, slots=True)
class StepContext:
    """What steps are built from: the observation, and the base in effect (annotation and ledger taken together)."""

    sync: ValidatedSync
    observed: Observed
    selected: SelectedZnodes
    base: Base | None
    state: BaseState
    digests: Mapping[str, bytes]
    detached: Mapping[str, Detached]


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps in order, and what they carry out.

    Args:
        base: the annotation's base once they are done.
        problems: keys that do not fit.
        carried_bytes: bytes of the values that are written.
        more: a push was split; the next pass goes on with it.
        restored: labels and annotations that are put back, without anything else to write.
    """

    all: tuple[Step, ...]
    base: Base | None
    problems: tuple[Problem, ...]
    carried: tuple[Decision, ...]
    carried_bytes: int
    more: bool
    restored: frozenset[str] = frozenset()


def build_steps(context: StepContext, sorted_: Sorted, decisions: Decisions) -> Steps:
    """Return the steps: the ConfigMap first, so that its annotation precedes the ledger entries of the push."""
    puts, problems = _fitting_puts(context, sorted_)
    base, left_out = _next_base(context, sorted_, decisions, puts)
    problems += [_no_room(key) for key in sorted(left_out)]
    puts = {key: znode for key, znode in puts.items() if key not in left_out}
    removes = frozenset(item.key for item in sorted_.pulls if item.zookeeper is None)
    index: dict[str, bytes | None] = {}
    if context.sync.selection.naming.shortens:
        index = index_change(context.observed, context.selected, puts, removes, context.base, base)
    write: CreateConfigMap | WriteConfigMap | None = None
    if not fits_annotation(base, _other_annotations(context)):
        problems.append(Problem(SyncReason.TOO_LARGE, "metadata.annotations", "no room for the base of so many keys"))
        puts, removes = {}, frozenset()
    elif puts or removes or index or _base_must_move(context, sorted_, decisions, base):
        write = _write(context, puts, removes, base, index)
    annotated = base if write is not None else context.base
    push, refused = _push(context, sorted_, annotated)
    carried = [item for item in sorted_.pulls if item.key in puts or item.key in removes]
    pushed = set(push.keys) if push is not None else set()
    carried += [item for item in sorted_.pushes if item.key in pushed]
    return Steps(
        all=tuple(step for step in (write, push) if step is not None),
        base=annotated,
        problems=(*problems, *refused),
        carried=tuple(carried),
        carried_bytes=sum(_bytes_of(context, item) for item in carried),
        more=push is not None and push.rest > 0,
        restored=lost_marks(context.sync, context.observed)
        if isinstance(write, WriteConfigMap) and not carried
        else frozenset(),
    )


def _fitting_puts(context: StepContext, sorted_: Sorted) -> tuple[dict[str, Znode], list[Problem]]:
    pulled = [item.key for item in sorted_.pulls if item.zookeeper is not None]
    unfit = _unfit(context, pulled)
    wanted = {key: context.selected.keys[key] for key in pulled if key not in unfit}
    removes = frozenset(item.key for item in sorted_.pulls if item.zookeeper is None)
    lines = {key: index_bytes(key, context.selected) for key in wanted if is_short(key)}
    puts, refused = fit_values(wanted, removes, context.observed.content, lines)
    message = f"the values of a {context.sync.target.kind} may have 1048576 bytes together and this one does not fit"
    found = [Problem(SyncReason.TOO_LARGE, key, message) for key in sorted(refused)]
    return puts, [*found, *(unfit[key] for key in pulled if key in unfit)]


def _unfit(context: StepContext, keys: list[str]) -> dict[str, Problem]:
    """Return the keys that the ConfigMap cannot hold: refused by the API server, or impossible in the file."""
    unfit, given = dict(context.observed.unfit), context.sync.format
    for key in keys if given is not None else ():
        data = context.selected.keys[key].data
        if given is not None and (why := given.problem_of(key, data)):
            unfit[key] = Problem(SyncReason.KEY_INVALID, key, why)
        elif data is not None and key in unfit and unfit[key].reason is SyncReason.KEY_INVALID:
            del unfit[key]  # of an earlier value
    return unfit


def _no_room(key: str) -> Problem:
    return Problem(
        SyncReason.TOO_LARGE, key, "no room for its base: the annotations of an object may have 262144 bytes"
    )


def _next_base(
    context: StepContext, sorted_: Sorted, decisions: Decisions, puts: Mapping[str, Znode]
) -> tuple[Base, frozenset[str]]:
    """Return the base as of this snapshot, and the new keys that it has no room for."""
    digests = {key: digest for key, digest in context.digests.items() if key not in decisions.dropped}
    detached = {key: item for key, item in context.detached.items() if key not in decisions.dropped}
    for item in sorted_.records:
        _record(item, digests, detached)
    for item in sorted_.pulls:
        if item.zookeeper is None:
            digests.pop(item.key, None)
            detached.pop(item.key, None)
        elif item.key in puts:
            digests[item.key] = item.zookeeper
            detached.pop(item.key, None)
    unsettled = _unsettled(context, digests)
    base = Base(
        sync_uid=context.sync.uid,
        zxid=context.observed.snapshot.zxid,
        roots=_roots(context, sorted_),
        ledger_czxid=_ledger_czxid(context),
        digests=digests,
        detached=detached,
        rebuilt=_is_rebuilt(context, sorted_),
        unsettled=unsettled,
        adopting=_adopting(context, sorted_, puts),
        held_roots=_held_roots(context, sorted_),
        ensemble=context.sync.source.ensemble,
        path=context.sync.source.path,
        ephemeral=_ephemeral(context, digests),
        naming=context.sync.selection.naming.without_short_keys,
        seal=context.observed.seal.id,
        paths=_paths(context, {*digests, *detached}, unsettled),
    )
    fitting, left_out = fit_base(base, sorted(puts.keys() - context.digests.keys()), _other_annotations(context))
    # A key that one side keeps stays detached until it is really written again.
    kept = {key: item for key, item in context.detached.items() if key in left_out}
    return replace(fitting, detached={**fitting.detached, **kept}), left_out


def _record(item: Decision, digests: dict[str, bytes], detached: dict[str, Detached]) -> None:
    digests.pop(item.key, None)
    detached.pop(item.key, None)
    if item.action is Action.RECORD and item.zookeeper is not None:
        digests[item.key] = item.zookeeper
    elif item.action is Action.DETACH:
        side = Side.CONFIG_MAP if item.zookeeper is None else Side.ZOOKEEPER
        kept = item.zookeeper or item.config_map
        if kept is not None:
            detached[item.key] = Detached(side, kept)


def _unsettled(context: StepContext, digests: Mapping[str, bytes]) -> frozenset[str]:
    """Return the keys whose znode is not what the base says at the zxid that it names."""
    found = context.selected.keys
    return frozenset(
        key
        for key, digest in digests.items()
        if (znode := found.get(key)) is None or short(znode.digest) != value_digest(digest)
    )


def _ephemeral(context: StepContext, digests: Mapping[str, bytes]) -> frozenset[str]:
    """Return the keys that go with a session; a znode that is gone is remembered as what it was."""
    known = context.base.ephemeral if context.base is not None else frozenset()
    found = context.selected.keys
    return frozenset(key for key in digests if (is_session_owned(found[key]) if key in found else key in known))


def _paths(context: StepContext, keys: Iterable[str], unsettled: frozenset[str]) -> dict[str, str]:
    """Return the paths that do not follow from their keys, each of the znode whose value the base has.

    That of a znode that is gone, or that has lost its key to another one and that one is not pulled yet, is remembered.
    """
    naming, paths = context.sync.selection.naming, context.selected.paths
    known = context.base.paths if context.base is not None else {}
    found = {
        key: known[key] if key in known and (key in unsettled or key not in paths) else paths.get(key)
        for key in naming.irregular(keys)
    }
    return {key: path for key, path in found.items() if path is not None and naming.path_of(key) != path}


def _adopting(context: StepContext, sorted_: Sorted, puts: Mapping[str, Znode]) -> frozenset[str]:
    """Return the keys that an adoption has settled and that this write of the ConfigMap leaves to be done."""
    if context.state is BaseState.LOST:
        return frozenset()
    settled = [*sorted_.pushes, *(item for item in sorted_.pulls if item.key not in puts)]
    known = context.base.adopting if context.base is not None else None
    return frozenset(
        item.key
        for item in settled
        if item.zookeeper is not None
        and item.config_map is not None
        and item.key not in context.digests
        and (known is None or item.key in known)
    )


def _roots(context: StepContext, sorted_: Sorted) -> Roots:
    """Return the known roots while deletions are held because another root replaced one, else the present ones."""
    known = context.base.roots if context.base is not None else {}
    if sorted_.held and known:
        return known
    left = {path: proofs for path, proofs in known.items() if path in context.sync.source.roots}
    return left | roots_of(context.observed.snapshot)


def _held_roots(context: StepContext, sorted_: Sorted) -> frozenset[int]:
    if not sorted_.held or context.base is None:
        return frozenset()
    known = context.base.roots
    found = roots_of(context.observed.snapshot)
    return frozenset(czxid for path, proofs in found.items() for czxid in proofs - known.get(path, frozenset()))


def _ledger_czxid(context: StepContext) -> int:
    ledger = context.observed.ledger
    return ledger.czxid if ledger is not None and context.sync.pushes else 0


def _is_rebuilt(context: StepContext, sorted_: Sorted) -> bool:
    was = context.state is BaseState.LOST or (context.base is not None and context.base.rebuilt)
    return was and len(sorted_.conflicts) > 0


def _other_annotations(context: StepContext) -> int:
    present = context.observed.content.annotation_bytes if context.observed.content is not None else 0
    return present + missing_decoration(context.sync, context.observed).annotation_bytes + len(_inputs_text(context))


def _inputs_text(context: StepContext) -> str:
    """Return what is remembered of the znodes that files are rendered from, "" where there are no templates."""
    rendering = context.observed.rendering
    return rendering.inputs_text(context.sync.uid, context.observed.seal.id) if rendering is not None else ""


def _base_must_move(context: StepContext, sorted_: Sorted, decisions: Decisions, base: Base) -> bool:
    """Whether the base must be written though no value changes, as when a key is no longer selected."""
    old = context.base
    must_be_written = bool(lost_marks(context.sync, context.observed))
    if old is None or must_be_written or sorted_.records or decisions.dropped:
        return True
    if _identity(old) != _identity(base):
        return True
    return _must_fold(context.observed.ledger, old)


def _identity(base: Base) -> tuple[object, ...]:
    history = base.roots, base.held_roots, base.ledger_czxid
    sources = base.paths if base.naming.parts else None
    return *history, base.rebuilt, base.ensemble, base.path, base.ephemeral, base.naming, sources, base.seal


def _must_fold(ledger: Ledger | None, base: Base) -> bool:
    """Whether the ledger has grown so much that its entries should go to the annotation."""
    return ledger is not None and _entry_bytes(ledger, base.zxid) > FOLD_BYTES


def _folded_zxid(sync: ValidatedSync, ledger: Ledger, annotated: Base) -> int:
    """Return up to which transaction the ledger may forget: status knows of it too, unless that would cost too much."""
    recorded = zxid_of(sync.status.zxid) if sync.status.common else annotated.zxid
    return min(recorded, annotated.zxid) if _entry_bytes(ledger, recorded) <= FOLD_BYTES else annotated.zxid


def _entry_bytes(ledger: Ledger, after_zxid: int) -> int:
    entries = (key for key, item in ledger.entries.items() if ledger.zxid_of(item) > after_zxid)
    return sum(len(key) + _ENTRY_BYTES for key in entries)


_ENTRY_BYTES = 40


def _write(
    context: StepContext,
    puts: Mapping[str, Znode],
    removes: frozenset[str],
    base: Base,
    index: Mapping[str, bytes | None],
) -> CreateConfigMap | WriteConfigMap:
    paths = {key: context.selected.paths[key] for key in puts}
    values = {key: value for key, value in index.items() if value is not None}
    if context.observed.content is None:
        step = CreateConfigMap(context.sync.target.name, puts, paths, base, context.sync.decoration, values)
        return replace(step, inputs=_inputs_text(context))
    version = context.observed.content.resource_version
    removes |= index.keys() - values.keys()
    decoration = missing_decoration(context.sync, context.observed)
    return WriteConfigMap(puts, paths, removes, base, version, decoration, values, _inputs_text(context))


def _push(context: StepContext, sorted_: Sorted, annotated: Base | None) -> tuple[PushMulti | None, list[Problem]]:
    content, ledger = context.observed.content, context.observed.ledger
    if not sorted_.pushes or content is None or ledger is None or annotated is None:
        return None, []
    wanted = {item.key: item.config_map for item in sorted_.pushes if item.config_map is not None}
    grown = replace(annotated, digests={**annotated.digests, **wanted})
    _, refused = fit_base(grown, sorted(wanted.keys() - annotated.digests.keys()), content.annotation_bytes)
    edits = [
        Edit(item.key, item.path, None if item.config_map is None else context.observed.value_of(item.key))
        for item in sorted_.pushes
        if item.key not in refused
    ]
    given = PushInput(
        selected=context.selected,
        ledger=ledger,
        sync_uid=context.sync.uid,
        annotated_zxid=_folded_zxid(context.sync, ledger, annotated),
        resource_version=content.resource_version,
        config_map=content.uid,
        missing_above=context.observed.missing_above,
        acl=acl_of(context.sync.acl),
        limits=context.observed.limits,
        digests=context.digests,
        naming=context.sync.selection.naming,
        held=content.keys,
        digest=context.observed.seal.digest,
    )
    push, oversized = plan_push(edits, given)
    return push, [*(_no_room(key) for key in sorted(refused)), *(oversized_problem(key) for key in sorted(oversized))]


def oversized_problem(key: str) -> Problem:
    """Return the problem of a key whose transaction is too large."""
    return Problem(SyncReason.TOO_LARGE, key, "the transaction that would push it is larger than ZooKeeper takes")


def _bytes_of(context: StepContext, item: Decision) -> int:
    if item.is_deletion:
        return 0
    if item.action is Action.TO_CONFIG_MAP:
        return context.selected.keys[item.key].data_length
    content = context.observed.content
    return content.keys[item.key].length if content is not None else 0
