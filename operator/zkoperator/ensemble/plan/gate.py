"""The safety gate: decides whether taking a member away now can cost the quorum or an acknowledged write. Pure.

Every restart and every membership change asks the gate: `gate` for a member that serves, `gate_for_broken_pod` for one
that does not. Pods are removed only after a membership change that the gate allowed. The verdict holds every number
that the gate used. The leader's counts are not sufficient, because they include followers that do not vote and
followers that still receive a snapshot, so every voter is asked as well.
"""

from dataclasses import dataclass, replace

from zkoperator.ensemble.model.configuration import Configuration
from zkoperator.ensemble.observe.answers import Mode, NotServing, Serving, Silent
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.pod_view import Running

NOBODY: frozenset[int] = frozenset()
ELECTED_S = 30.0
"""Seconds within which members that can elect a leader do so."""
_VOTING_MODES = (Mode.LEADER, Mode.FOLLOWER)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of the gate.

    `needed` voters must serve and `serving` of them do; `synced` of `followers` voting followers are in sync by the
    leader's count (None: it does not say); `versions` are the configuration versions that serving voters act on.
    """

    open: bool
    why: str
    voters: int = 0
    needed: int = 0
    serving: int = 0
    leaders: int = 0
    followers: int = 0
    synced: int | None = None
    versions: tuple[int, ...] = ()


def gate(observed: Observed, *, excluded: frozenset[int] = NOBODY, unreachable: frozenset[int] = NOBODY) -> Verdict:
    """Decide whether a disruption is safe now.

    Args:
        observed: what was observed.
        excluded: voters that need not serve, because the disruption concerns them: a member that is down and whose pod
            is replaced, or members that leave the ensemble.
        unreachable: voters that cannot be asked for a known reason. They need not serve, and the leader's count of
            followers in sync may include them.
    """
    committed = observed.committed
    if committed is None:
        return Verdict(False, _unknown(observed), leaders=len(observed.leaders), voters=len(observed.voters))
    needed = committed.voters - excluded - unreachable
    serving = {member: answer for member in committed.voters if (answer := voting(observed, member)) is not None}
    leading = observed.serving(observed.leader) if observed.leader is not None else None
    synced = leading.synced_voters if leading is not None else None
    versions = tuple(sorted({_version(answer) for answer in serving.values()}))
    why = (
        _missing(observed, needed, frozenset(serving))
        or _leaving_pods(observed, needed)
        or _disagreement(committed, versions)
        or _unsynced(synced, len(serving) - 1, len(unreachable))
    )
    return Verdict(
        open=not why,
        why=why or f"all {len(needed)} voters that are needed serve in sync",
        voters=len(committed.voters),
        needed=len(needed),
        serving=len(needed & frozenset(serving)),
        leaders=len(observed.leaders),
        followers=len(serving) - 1,
        synced=synced,
        versions=versions,
    )


def gate_for_broken_pod(
    observed: Observed, member: int, *, updated: frozenset[int], patience_s: float = ELECTED_S
) -> Verdict:
    """Decide whether the pod of a member that does not serve may be replaced now.

    It may in three cases: the gate is open with the member excluded; the member has no vote; no server can be part of a
    quorum in that pod, because its container does not run, or because every voter is known not to serve.

    Args:
        observed: what was observed.
        member: the member whose pod is broken.
        updated: voters whose pods have the newest revision. No second voter gets that revision before each of them has
            started with it: a revision that does not start must not add to voters that are away for another reason.
        patience_s: seconds without a leader after which no election is assumed to be in progress.
    """
    verdict = gate(observed, excluded=frozenset({member}))
    if verdict.open:
        return verdict
    why = _leaving_pods(observed, observed.voters)
    if not why and (observed.committed is None or member in observed.committed.voters):
        why = _unproven(observed, updated - {member}) or _maybe_in_quorum(observed, member, verdict, patience_s)
    return replace(verdict, open=not why, why=why or "its server is part of no quorum")


def _unproven(observed: Observed, updated: frozenset[int]) -> str:
    unproven = [
        m for m in sorted(updated) if observed.serving(m) is None and not isinstance(observed.answer(m), NotServing)
    ]
    if not unproven:
        return ""
    names = ", ".join(_describe(observed, member) for member in unproven)
    count = f"{len(unproven)} of {len(observed.voters)}"
    return f"{count} voters have the newest revision and have not started with it: {names}"


def _maybe_in_quorum(observed: Observed, member: int, verdict: Verdict, patience_s: float) -> str:
    if observed.pods[member].running is Running.NO:
        return ""
    if observed.committed is not None:
        return verdict.why
    # Without a quorum nothing can be lost, but every voter must be known not to be part of one.
    unknown = [other for other in sorted(observed.voters | {member}) if not _known_idle(observed, other)]
    if unknown:
        return f"{len(unknown)} of {len(observed.voters)} voters may be part of a quorum unseen: {unknown}"
    # All voters are idle during an election, which may need the vote of this member.
    return _election(observed, patience_s)


def _election(observed: Observed, patience_s: float) -> str:
    if observed.leaderless_s >= patience_s:
        return ""
    return f"there has been no leader for {observed.leaderless_s:.0f} s only, which may be an election"


def _known_idle(observed: Observed, member: int) -> bool:
    pod, answer = observed.pods.get(member), observed.answer(member)
    if isinstance(answer, Silent):
        return pod is None or pod.running is Running.NO
    return isinstance(answer, NotServing)


def voting(observed: Observed, member: int) -> Serving | None:
    """Return the answer of a member that leads or follows, None for any other member."""
    answer = observed.serving(member)
    return answer if answer is not None and answer.mode in _VOTING_MODES else None


def _version(answer: Serving) -> int:
    return answer.configuration.version if answer.configuration is not None else -1


def _unknown(observed: Observed) -> str:
    if len(observed.leaders) != 1:
        why = f"{len(observed.leaders)} members say they lead, exactly 1 must"
        return "; ".join(filter(None, (why, observed.troubles(observed.voters))))
    return "the leader does not tell the committed configuration"


def _missing(observed: Observed, needed: frozenset[int], serving: frozenset[int]) -> str:
    missing = sorted(needed - serving)
    if not missing:
        return ""
    names = ", ".join(_describe(observed, member) for member in missing)
    return f"{len(needed) - len(missing)} of {len(needed)} voters that are needed serve; missing: {names}"


def _describe(observed: Observed, member: int) -> str:
    answer, pod = observed.answer(member), observed.pods.get(member)
    name = pod.name if pod is not None else str(member)
    if pod is not None and pod.trouble:
        return f"{name} ({pod.trouble})"
    return f"{name} ({answer.why})" if isinstance(answer, Silent) else f"{name} (does not serve)"


def _leaving_pods(observed: Observed, needed: frozenset[int]) -> str:
    going = sorted(member for member in needed if member in observed.pods and observed.pods[member].deleting)
    return f"{len(going)} of {len(needed)} voters that are needed are being stopped" if going else ""


def _disagreement(committed: Configuration, versions: tuple[int, ...]) -> str:
    if versions == (committed.version,):
        return ""
    shown = ", ".join("unknown" if version < 0 else f"{version:x}" for version in versions)
    return f"voters act on {len(versions)} configurations ({shown}), all must act on {committed.version:x}"


def _unsynced(synced: int | None, followers: int, unreachable: int) -> str:
    if synced is None:
        return "the leader does not tell how many followers are in sync"
    # A voter that does not answer the operator may serve, so the leader may count more in sync than answered.
    in_sync = followers <= synced <= followers + unreachable
    return "" if in_sync else f"{synced} of {followers} voting followers are in sync"
