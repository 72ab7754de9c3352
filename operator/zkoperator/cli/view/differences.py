"""What `diff` shows of a ConfigSync: which key would be written where, as hashes, never values. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from pydantic.alias_generators import to_camel

from zkoperator.api.meta import Truth
from zkoperator.api.reasons import SyncCondition, SyncReason
from zkoperator.api.sync import ConfigSyncStatus, Mode
from zkoperator.cli.view.summary import condition_of
from zkoperator.cli.view.terminal import Colour, Style, printable, table
from zkoperator.mirror.model.decision import Action, Decision, short_hash
from zkoperator.mirror.model.ends.config_map import CONFIG_MAP_END
from zkoperator.mirror.model.names import zxid_text
from zkoperator.mirror.plan.plan import Plan
from zkoperator.mirror.validate import Target, ValidatedSync
from zkoperator.zk.paths import join

_CONFLICT: Final = "conflict"
_SOME_CONFIG_MAP: Final = Target(CONFIG_MAP_END, "")
_FLAPPING: Final = "held for a while: both sides keep reverting one another"
_NOTHING_TO_ADD: Final = (SyncReason.SYNCING, SyncReason.PAUSED, SyncReason.DRY_RUN)


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that differs. The hash of a side without the key is ""; `held` means that it waits for an approval.

    Nothing is shown of the values of a Secret, not even hashes.
    """

    key: str
    path: str
    action: str
    zookeeper: str
    config_map: str
    held: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the value as JSON types."""
        return {to_camel(key): value for key, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Differences:
    """The differences of a whole ConfigSync.

    Args:
        zxid: of the state that was compared; "" when the plan stopped before anything was compared.
        equal: the number of keys that are equal in that state; None when nothing was compared.
        held: which changes wait for an approval, as a text.
        stopped: why nothing would be written at all, "" if something would.
        notes: why the operator may act differently.
    """

    zxid: str
    equal: int | None
    differences: tuple[Difference, ...]
    problems: tuple[str, ...]
    held: str
    stopped: str
    notes: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Return whether everything was compared and is equal on both sides."""
        return not (self.differences or self.problems or self.held or self.stopped)

    def to_json(self) -> dict[str, Any]:
        """Return the value as JSON types."""
        whole = {to_camel(key): value for key, value in asdict(self).items()}
        items = [item.to_json() for item in self.differences]
        return {**whole, "differences": items, "problems": list(self.problems), "notes": list(self.notes)}


def differences(plan: Plan, mode: Mode, status: ConfigSyncStatus, target: Target = _SOME_CONFIG_MAP) -> Differences:
    """Return what the plan of a pass in mode Active would change."""
    carried = [item for item in plan.carried if item.action in _ARROWS]
    pending, is_known = plan.pending, plan.zxid > 0
    waits = f"{_count(plan)} wait for approval{_named(pending.hash, target)}" if pending is not None else ""
    return Differences(
        zxid=zxid_text(plan.zxid) if is_known else "",
        equal=plan.keys - sum(not item.is_deletion for item in carried) if is_known else None,
        differences=tuple(sorted(_found(plan, target), key=lambda item: item.key)),
        problems=tuple(f"{problem.name}: {problem.message}" for problem in plan.problems),
        held=waits,
        stopped=f"{plan.stop}: {plan.message}" if plan.stop is not None else "",
        notes=tuple(_notes(plan, mode, status)),
    )


def held(plan: Plan, target: Target = _SOME_CONFIG_MAP) -> tuple[Difference, ...]:
    """Return the changes that wait for an approval."""
    return tuple(
        _difference(item, f"{_verb(item, target)}, once approved", target, held=True)
        for item in plan.held
        if item.action in _ARROWS
    )


def _found(plan: Plan, target: Target) -> Iterator[Difference]:
    yield from (_difference(item, _verb(item, target), target) for item in plan.carried if item.action in _ARROWS)
    yield from held(plan, target)
    conflicts = {*plan.conflicts, *(item for item in plan.held if item.action is Action.CONFLICT)}
    yield from (_difference(item, _CONFLICT, target) for item in conflicts)
    yield from (_difference(item, _FLAPPING, target) for item in plan.flapping)


def _named(plan_hash: str, target: Target) -> str:
    """Return the name of the plan; that of a Secret is made with the installation's key, which may be unknown here."""
    return "" if target.end.is_secret else f" (plan {plan_hash})"


def _count(plan: Plan) -> str:
    pending = plan.pending
    if pending is None or pending.creates + pending.updates == 0:
        return f"{pending.deletes if pending is not None else 0} deletions"
    return f"{pending.creates} to create, {pending.updates} to change, {pending.deletes} to delete"


def _notes(plan: Plan, mode: Mode, status: ConfigSyncStatus) -> Iterator[str]:
    """Yield what the plan does not know: the mode, and errors that the operator met when it wrote."""
    if mode is not Mode.ACTIVE:
        yield f"spec.mode is {mode}: nothing is written until it is {Mode.ACTIVE}"
    ready = condition_of(status.conditions, SyncCondition.READY)
    if ready is not None and ready.status is not Truth.TRUE and ready.reason not in _explained(plan):
        yield f"the operator reported last: {ready.reason}: {ready.message}"


def _explained(plan: Plan) -> set[str]:
    """Return the reasons that the rest of the output explains already."""
    reasons: set[str] = {*_NOTHING_TO_ADD, *(problem.reason for problem in plan.problems)}
    reasons |= {plan.stop} if plan.stop is not None else set()
    reasons |= {SyncReason.CONFLICT, SyncReason.BASE_LOST} if plan.conflicts else set()
    reasons |= {SyncReason.DELETIONS_HELD} if plan.held else set()
    reasons |= {SyncReason.FLAPPING} if plan.flapping else set()
    return reasons


def text(shown: Differences, style: Style) -> str:
    """Return the differences as text."""
    parts = [f"{shown.equal} keys are equal at zxid {shown.zxid}"] if shown.equal is not None else []
    if shown.differences:
        parts.append(rows(shown.differences, style))
    parts += [style.paint(line, Colour.BAD) for line in (*map(printable, shown.problems), shown.held) if line]
    if shown.stopped:
        parts.append(style.paint(f"nothing would be written: {printable(shown.stopped)}", Colour.WAITING))
    elif not shown.differences:
        parts.append("nothing would be written")
    return "\n".join([*parts, *(style.paint(printable(note), Colour.WAITING) for note in shown.notes)])


def znodes_of(plan: Plan, sync: ValidatedSync) -> tuple[tuple[str, str], ...]:
    """Return the key and the absolute path of the znode of everything that both sides have in common.

    A file of a template has no znode of its own.
    """
    base, found = plan.base if sync.template is None else None, []
    for key in sorted(base.digests) if base is not None else ():
        path = base.paths.get(key) or sync.selection.naming.path_of(key) if base is not None else ""
        if isinstance(path, str):
            found.append((key, join(sync.source.root, path) if path else sync.source.root))
    return tuple(found)


def znode_rows(znodes: Iterable[tuple[str, str]]) -> str:
    """Return a table with one line for each key."""
    return table(("KEY", "ZNODE"), [(printable(key), printable(path)) for key, path in znodes])


_ARROWS = {Action.TO_CONFIG_MAP: "-->", Action.TO_ZOOKEEPER: "<--"}


def rows(items: Iterable[Difference], style: Style) -> str:
    """Return a table with one line for each key."""
    lines = [
        (
            printable(item.key),
            printable(item.path),
            item.zookeeper or "(absent)",
            item.config_map or "(absent)",
            style.paint(item.action, _colour(item)),
        )
        for item in items
    ]
    return table(("KEY", "ZNODE", "ZOOKEEPER", "CONFIGMAP", "WHAT WOULD BE DONE"), lines)


def _colour(item: Difference) -> Colour | None:
    if item.action == _CONFLICT:
        return Colour.BAD
    return Colour.WAITING if item.held or item.action == _FLAPPING else None


def _verb(item: Decision, target: Target) -> str:
    if item.action is Action.TO_CONFIG_MAP:
        return f"{_change(item.zookeeper, item.config_map)} in the {target.kind}"
    return f"{_change(item.config_map, item.zookeeper)} in ZooKeeper"


def _change(source: bytes | None, target: bytes | None) -> str:
    if source is None:
        return "delete"
    return "create" if target is None else "change"


def _difference(item: Decision, action: str, target: Target, *, held: bool = False) -> Difference:
    zookeeper, config_map = (_shown(digest, target) for digest in (item.zookeeper, item.config_map))
    return Difference(item.key, item.path, action, zookeeper, config_map, held)


def _shown(digest: bytes | None, target: Target) -> str:
    return "(secret)" if target.end.is_secret and digest is not None else short_hash(digest)
