"""What one pass does: `(desired, observed) -> Plan`, with every guard in its place. Pure."""

from dataclasses import dataclass, replace
from typing import Final

from zkoperator.api.reasons import SyncReason
from zkoperator.api.sync import AdoptionPolicy, Direction, Mode
from zkoperator.mirror.model.common import NOTHING_COMMON, Common
from zkoperator.mirror.model.decision import Action, Decision, Problem
from zkoperator.mirror.model.ledger import effective_digests
from zkoperator.mirror.model.merge_base import Base, Side, value_digest
from zkoperator.mirror.model.roots import missing_roots
from zkoperator.mirror.model.rules import Rules
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.plan.absences import missing_source, unknown_part
from zkoperator.mirror.plan.base_of_pass import base_of_pass, detached_in_effect
from zkoperator.mirror.plan.decisions import Decisions, MergeInput, decide_all
from zkoperator.mirror.plan.guard import (
    BaseState,
    History,
    history_of,
    is_reverted,
    loses_all,
    must_hold,
    plan_hash,
)
from zkoperator.mirror.plan.inputs import gone_inputs, is_older_tree, must_hold_rendering, selected_of
from zkoperator.mirror.plan.marks import contested_marks
from zkoperator.mirror.plan.pending import PendingPlan, history_id, pending_plan
from zkoperator.mirror.plan.recall import common_of
from zkoperator.mirror.plan.refusal import Refusal, refusal_of
from zkoperator.mirror.plan.renaming import renaming_of, renaming_step
from zkoperator.mirror.plan.required_keys import lacking_keys
from zkoperator.mirror.plan.steps import ClaimLedger, Sorted, Step, StepContext, build_steps
from zkoperator.mirror.validate import ValidatedSync


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of one pass, in order, and what the status says of them.

    Args:
        steps: at most one write of each side; a step that fails ends the pass.
        stop: why nothing may be written, None when the steps may be carried out.
        message: of `stop`, for the condition Ready.
        conflicts: keys that wait for a decision.
        settled: differences that would be conflicts if no policy or resolution had decided them.
        flapping: conflicts that are held for flapping.
        problems: keys that cannot be synchronised.
        pending: what waits for approval, or all of a dry run.
        more: there is work left for the next pass, at once.
        carried: decisions that the steps carry out.
        gone: deletions of znodes that files follow which the steps write.
        held: deletions, or all of another history's changes, that wait for approval.
        resolved: keys that a resolution has decided and the steps carry out.
        is_approved: the deletions are those that somebody has approved.
        ended: keys that nobody has deleted: their znodes have gone with their sessions, or hold others now.
        restored: labels and annotations of the ConfigMap that are put back, without anything else to write.
        contested: labels and annotations that are left alone because another writer keeps changing them.
        common: names of the keys that both sides have in common at `zxid`, as a status keeps them; None: as before.
        keys, bytes: equal on both sides once the steps are done.
    """

    steps: tuple[Step, ...] = ()
    stop: SyncReason | None = None
    message: str = ""
    conflicts: tuple[Decision, ...] = ()
    settled: tuple[Decision, ...] = ()
    flapping: tuple[Decision, ...] = ()
    problems: tuple[Problem, ...] = ()
    pending: PendingPlan | None = None
    base_state: BaseState = BaseState.KNOWN
    base: Base | None = None
    more: bool = False
    carried: tuple[Decision, ...] = ()
    gone: tuple[Decision, ...] = ()
    held: tuple[Decision, ...] = ()
    resolved: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()
    is_approved: bool = False
    restored: frozenset[str] = frozenset()
    contested: tuple[str, ...] = ()
    common: Common | None = None
    keys: int = 0
    bytes: int = 0
    zxid: int = 0

    @property
    def claims_ledger(self) -> bool:
        """Whether the plan only claims the ledger. The next pass plans everything else."""
        return any(isinstance(step, ClaimLedger) for step in self.steps)

    @property
    def doubtful(self) -> frozenset[Decision]:
        """Differences that a push of another process may explain: its ledger, read again, would then be the base."""
        return frozenset((*self.conflicts, *self.settled)) or _NO_DECISIONS


_NO_DECISIONS: Final[frozenset[Decision]] = frozenset()
"""Shared, as it is kept for each ConfigSync."""
_RECORDS: Final = (Action.RECORD, Action.FORGET, Action.DETACH)


def make_plan(sync: ValidatedSync, observed: Observed) -> Plan:
    """Return what this pass does."""
    refused = refusal_of(sync, observed)
    return Plan(stop=refused[0], message=refused[1]) if refused is not None else _Planner(sync, observed).plan()


class _Planner:
    """One run of the planner over one observation."""

    def __init__(self, sync: ValidatedSync, observed: Observed) -> None:
        self._sync = sync
        self._observed = observed
        self._selected = selected_of(sync, observed)
        self._state, self._base = base_of_pass(sync, observed, self._selected)
        self._history = history_of(self._base, observed.snapshot, observed.ledger, sync.source.ensemble)
        self._rules = self._rules_of_pass()
        self._digests = effective_digests(self._base, observed.ledger) if self._base is not None else {}
        self._detached = detached_in_effect(self._base, observed.ledger)

    def plan(self) -> Plan:
        """Guards first, then the merge."""
        stop = self._stopped(missing_source(self._sync, self._observed)) or self._missing_root()
        if (stop := stop or self._stopped(unknown_part(self._sync, self._observed))) is not None:
            return stop
        if (renaming := self._renaming()) is not None:
            return renaming
        given = MergeInput(
            self._selected,
            self._observed.content,
            self._digests,
            self._detached,
            self._sync.resolve,
            self._sync.selection,
            self._observed.refused,
            shown={item.key: (item.zookeeper, item.config_map) for item in self._sync.status.conflicts},
            all_are_shown=self._sync.status.conflict_count <= len(self._sync.status.conflicts),
            adopting=self._base.adopting if self._base is not None else None,
            flapping=self._observed.flapping,
            base_zxid=self._base.zxid if self._base is not None else 0,
            paths=self._base.paths if self._base is not None else {},
            ephemeral=self._base.ephemeral if self._base is not None else frozenset(),
        )
        decisions = decide_all(given, self._rules)
        if (stop := self._unequal_adoption(decisions)) is not None:
            return stop
        if (stop := self._regressed(decisions)) is not None:
            return stop
        if self._sync.mode is not Mode.ACTIVE:
            return self._dry(decisions)
        if self._needs_ledger():
            return Plan((ClaimLedger(self._observed.ledger),), more=True, base_state=self._state, base=self._base)
        return self._real(decisions)

    def _rules_of_pass(self) -> Rules:
        rules = self._sync.rules
        if self._observed.content is None:
            return replace(rules, direction=Direction.TWO_WAY, adoption=None)
        return replace(rules, adoption=self._adoption())

    def _adoption(self) -> AdoptionPolicy | None:
        is_adopting = self._state is BaseState.FIRST or (self._base is not None and len(self._base.adopting) > 0)
        return self._sync.adoption if is_adopting else None

    def _stopped(self, refused: Refusal | None) -> Plan | None:
        if refused is None:
            return None
        return Plan(stop=refused[0], message=refused[1], base_state=self._state, base=self._base)

    def _missing_root(self) -> Plan | None:
        """Only a first push creates a missing root. Later, the reason for its absence is unknown."""
        if self._observed.snapshot.root_exists:
            return None
        content = self._observed.content
        is_first = self._state is not BaseState.LOST and not self._digests and self._history is History.SAME
        if is_first and self._sync.pushes and content is not None and content.keys:
            return None
        missing = ", ".join(missing_roots(self._observed.snapshot))
        message = f"znode {missing} does not exist; nothing is deleted or written until it does"
        return Plan(stop=SyncReason.SOURCE_MISSING, message=message, base_state=self._state, base=self._base)

    def _renaming(self) -> Plan | None:
        """Give the keys the names that the spec asks for, before anything else is compared."""
        base = self._base if self._base is not None else self._observed.base
        renaming = renaming_of(self._sync, self._observed, base)
        if renaming is None or self._observed.content is None:
            return None
        if renaming.blocked:
            return Plan(stop=SyncReason.KEY_INVALID, message=renaming.blocked, base_state=self._state, base=self._base)
        number = len(renaming.moves)
        if self._sync.mode is not Mode.ACTIVE and not (renaming.moves or renaming.removes):
            self._rename(renaming.base)
            return None
        if self._sync.mode is not Mode.ACTIVE:
            reason = SyncReason.DRY_RUN if self._sync.mode is Mode.DRY_RUN else SyncReason.PAUSED
            name = plan_hash(
                history_id(self._observed.snapshot, is_regressed=self._history is History.REGRESSED),
                [(Side.CONFIG_MAP, key, b"") for key in renaming.moves],
            )
            pending = PendingPlan(0, number, 0, name)
            return Plan(stop=reason, message=f"{number} keys to rename", pending=pending, base_state=self._state)
        step = renaming_step(renaming, self._observed.content)
        return Plan(
            (step,),
            more=True,
            base_state=self._state,
            base=renaming.base,
            common=self._common(renaming.base),
            keys=len(renaming.base.digests),
            bytes=self._sync.status.bytes,
        )

    def _rename(self, base: Base) -> None:
        """Go on with the base under its new names, without a write."""
        if self._base is not None:
            self._base = base
            self._digests = effective_digests(base, self._observed.ledger)

    def _unequal_adoption(self, decisions: Decisions) -> Plan | None:
        if self._rules.adoption is not AdoptionPolicy.REQUIRE_EQUAL:
            return None
        differing = [
            item for item in decisions.open if item.action is not Action.RECORD and item.zookeeper != item.config_map
        ]
        if not differing:
            return None
        message = f"{len(differing)} keys differ and adoptionPolicy is RequireEqual: make both sides equal"
        return Plan(
            stop=SyncReason.CONFLICT,
            message=message,
            conflicts=tuple(differing),
            base_state=self._state,
            base=self._base,
        )

    def _regressed(self, decisions: Decisions) -> Plan | None:
        """The ensemble has another history: nothing is written until somebody approves the changes."""
        if self._is_reverted(decisions):
            self._history = History.REGRESSED
        if self._history is not History.REGRESSED:
            return None
        pending = self._pending(decisions.open)
        if pending.hash == self._sync.approved:
            return None
        message = (
            "the ensemble was restored, wiped or replaced: its state is not a later one of what was synchronised; "
            f"to accept it, annotate with zkoperator.dev/approve-deletions={pending.hash}"
        )
        return Plan(
            stop=SyncReason.SOURCE_REGRESSED,
            message=message,
            pending=pending,
            base_state=self._state,
            base=self._base,
            held=tuple(decisions.open),
        )

    def _is_reverted(self, decisions: Decisions) -> bool:
        base, ledger, snapshot = self._base, self._observed.ledger, self._observed.snapshot
        if base is None or self._history is not History.SAME:
            return False
        if self._sync.template is not None:
            return bool(decisions.open) and is_older_tree(self._sync, self._observed)
        return any(is_reverted(item, base, ledger, snapshot) for item in decisions.open)

    def _needs_ledger(self) -> bool:
        return self._sync.pushes and (self._observed.ledger is None or not self._observed.ledger_is_mine)

    def _dry(self, decisions: Decisions) -> Plan:
        reason = SyncReason.DRY_RUN if self._sync.mode is Mode.DRY_RUN else SyncReason.PAUSED
        sorted_ = self._sort(decisions)
        pending = self._pending([*sorted_.pulls, *sorted_.pushes, *sorted_.held])
        return Plan(
            stop=reason,
            message=f"{pending.creates} keys to create, {pending.updates} to change, {pending.deletes} to delete",
            conflicts=tuple(sorted_.conflicts),
            flapping=tuple(sorted_.flapping),
            problems=tuple(decisions.problems),
            pending=pending,
            base_state=self._state,
            base=self._base,
            held=tuple(sorted_.held),
            keys=decisions.equal,
            bytes=decisions.equal_bytes,
            zxid=self._observed.snapshot.zxid,
        )

    def _sort(self, decisions: Decisions) -> Sorted:
        result = Sorted()
        for item in decisions.open:
            if item.action is Action.CONFLICT:
                result.conflicts.append(item)
            elif item.action in _RECORDS:
                result.records.append(item)
            elif item.key in self._observed.flapping and item.key not in decisions.resolved:
                result.flapping.append(item)
            else:
                (result.pulls if item.action is Action.TO_CONFIG_MAP else result.pushes).append(item)
        self._hold_deletions(result, decisions)
        return result

    def _hold_deletions(self, result: Sorted, decisions: Decisions) -> None:
        if self._sync.template is not None:
            self._hold_rendering(result, decisions)
            return
        changes = [*result.pulls, *result.pushes]
        exempt = decisions.only_emptied | self._ended()
        deletions = [item for item in changes if item.takes_away and item.key not in exempt]
        if not deletions:
            return
        if not self._is_held(deletions, decisions):
            return
        if self._sync.approved in (self._pending(deletions).hash, self._pending(decisions.open).hash):
            result.is_approved = True
            return
        result.held = deletions
        held = {item.key for item in deletions}
        result.pulls = [item for item in result.pulls if item.key not in held]
        result.pushes = [item for item in result.pushes if item.key not in held]

    def _hold_rendering(self, result: Sorted, decisions: Decisions) -> None:
        """Files are written or held together, as all of them are of one state."""
        result.gone = gone_inputs(self._sync, self._observed) if result.pulls else ()
        if must_hold_rendering(result.gone, self._sync, self._observed, self._history):
            waiting = [*result.gone, *result.pulls]
            hashes = self._pending(waiting).hash, self._pending(decisions.open).hash
            result.is_approved = self._sync.approved in hashes
            if not result.is_approved:
                result.held, result.pulls, result.gone = waiting, [], ()

    def _is_held(self, deletions: list[Decision], decisions: Decisions) -> bool:
        """Whether deletions wait for approval: of a replaced root, of every key, or of many within the window."""
        if self._history in (History.ROOT_REPLACED, History.REGRESSED):
            return True
        ended, content = self._ended(), self._observed.content
        present = {*self._selected.keys, *(content.keys if content is not None else ())}
        before = self._observed.deleted_lately - present - {item.counted for item in deletions}
        keys = max(len(self._digests.keys() - ended), len(self._selected.keys)) + len(before)
        if loses_all(self._digests.keys() - decisions.dropped, decisions.open):
            return True
        return must_hold(len(deletions) + len(before), keys, self._sync.limits)

    def _ended(self) -> frozenset[str]:
        """Return the keys whose znodes have gone with their sessions: nobody has deleted them."""
        known = self._base.ephemeral if self._base is not None else frozenset()
        return frozenset(known - self._selected.keys.keys())

    def _pending(self, items: list[Decision]) -> PendingPlan:
        return pending_plan(items, self._observed.snapshot, is_regressed=self._history is History.REGRESSED)

    def _common(self, base: Base | None) -> Common:
        observed = self._observed
        if base is None:
            return NOTHING_COMMON
        return common_of(base, observed.ledger, self._selected, observed.common)

    def _is_settled(self, item: Decision) -> bool:
        """Whether both sides differ from the base and one of them is about to lose its value."""
        is_write = item.action in (Action.TO_CONFIG_MAP, Action.TO_ZOOKEEPER, Action.DETACH)
        return is_write and value_digest(self._digests.get(item.key)) not in (item.zookeeper, item.config_map)

    def _real(self, decisions: Decisions) -> Plan:
        sorted_ = self._sort(decisions)
        context = StepContext(
            self._sync, self._observed, self._selected, self._base, self._state, self._digests, self._detached
        )
        steps = build_steps(context, sorted_, decisions)
        if message := lacking_keys(self._sync, self._observed, steps.all):
            return Plan(stop=SyncReason.TARGET_INVALID, message=message, base_state=self._state, base=self._base)
        carried = {item.key for item in steps.carried}
        # A key with a resolution stays a conflict until it is written: a split push must not lose the resolution.
        undone = [item for item in sorted_.pushes if item.key in decisions.resolved - carried]
        return Plan(
            steps=steps.all,
            conflicts=(*sorted_.conflicts, *undone),
            settled=tuple(item for item in decisions.open if self._is_settled(item)),
            flapping=tuple(sorted_.flapping),
            problems=(*decisions.problems, *steps.problems),
            pending=self._pending(sorted_.held) if sorted_.held else None,
            base_state=self._state,
            base=steps.base,
            common=self._common(steps.base),
            more=steps.more,
            carried=steps.carried,
            gone=sorted_.gone if steps.carried else (),
            held=tuple(sorted_.held),
            resolved=frozenset(decisions.resolved & carried),
            ended=(self._ended() | decisions.only_emptied) & carried,
            is_approved=sorted_.is_approved,
            restored=steps.restored,
            contested=contested_marks(self._sync, self._observed),
            keys=decisions.equal + sum(not item.is_deletion for item in steps.carried),
            bytes=decisions.equal_bytes + steps.carried_bytes,
            zxid=self._observed.snapshot.zxid,
        )
