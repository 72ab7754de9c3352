"""The one safety gate: whether taking a member away now can cost the quorum or a write.

Every restart and every membership change asks it, be the member's server in the quorum (`gate`) or not
(`gate_of_broken`); pods are removed only after a membership change that it let pass. Every number that it looked at is
in its answer. The leader's counts alone are not enough: they include followers that do not vote, and followers in the
middle of a snapshot; so every voter answers for itself.
"""

from dataclasses import dataclass, replace

from zkoperator.ensemble.model.configuration import Configuration
from zkoperator.ensemble.observe.answers import Mode, NotServing, Serving, Silent
from zkoperator.ensemble.observe.world import Running, World

NOBODY: frozenset[int] = frozenset()
ELECTED_S = 30.0
"""Seconds after which members that can elect a leader have done so."""
_VOTING_MODES = (Mode.LEADER, Mode.FOLLOWER)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer.

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


def gate(world: World, *, spared: frozenset[int] = NOBODY, unseen: frozenset[int] = NOBODY) -> Verdict:
    """Decide whether a disruption is safe now.

    Args:
        world: what was observed.
        spared: voters that need not serve, because the disruption is about them: one that is down and is replaced, or
            those that leave the ensemble.
        unseen: voters that cannot be asked for a known reason. They need not serve either, but may: the leader's count
            of those in sync is allowed to include them.
    """
    committed = world.committed
    if committed is None:
        return Verdict(False, _unknown(world), leaders=len(world.leaders), voters=len(world.voters))
    needed = committed.voters - spared - unseen
    serving = {member: answer for member in committed.voters if (answer := voting(world, member)) is not None}
    leading = world.serving(world.leader) if world.leader is not None else None
    synced = leading.synced_voters if leading is not None else None
    versions = tuple(sorted({_version(answer) for answer in serving.values()}))
    why = (
        _missing(world, needed, frozenset(serving))
        or _leaving_pods(world, needed)
        or _disagreement(committed, versions)
        or _unsynced(synced, len(serving) - 1, len(unseen))
    )
    return Verdict(
        open=not why,
        why=why or f"all {len(needed)} voters that are needed serve in sync",
        voters=len(committed.voters),
        needed=len(needed),
        serving=len(needed & frozenset(serving)),
        leaders=len(world.leaders),
        followers=len(serving) - 1,
        synced=synced,
        versions=versions,
    )


def gate_of_broken(world: World, member: int, *, kept: frozenset[int], patience_s: float = ELECTED_S) -> Verdict:
    """Decide whether the pod of a member that does not serve may be replaced now.

    It may when the gate is open with that member spared, when the member has no vote, and when no server can be part
    of a quorum in that pod: its container does not run, or no voter serves and that is known of each of them.

    Args:
        world: what was observed.
        member: the one whose pod is broken.
        kept: voters whose pods are of the newest revision. Until each of them has shown that it starts, no second
            voter gets that revision: what is away by chance would be lost to what is broken by the spec.
        patience_s: for how long no leader must have been seen before none is taken to be elected.
    """
    verdict = gate(world, spared=frozenset({member}))
    if verdict.open:
        return verdict
    why = _leaving_pods(world, world.voters)
    if not why and (world.committed is None or member in world.committed.voters):
        why = _unproven(world, kept - {member}) or _maybe_in_quorum(world, member, verdict, patience_s)
    return replace(verdict, open=not why, why=why or "its server is part of no quorum")


def _unproven(world: World, kept: frozenset[int]) -> str:
    unproven = [m for m in sorted(kept) if world.serving(m) is None and not isinstance(world.answer(m), NotServing)]
    if not unproven:
        return ""
    names = ", ".join(_told(world, member) for member in unproven)
    return (
        f"{len(unproven)} of {len(world.voters)} voters have the newest revision and have not started with it: {names}"
    )


def _maybe_in_quorum(world: World, member: int, verdict: Verdict, patience_s: float) -> str:
    if world.pods[member].running is Running.NO:
        return ""
    if world.committed is not None:
        return verdict.why
    # With no quorum at all there is none to lose; but every voter must be known not to be part of one.
    unknown = [other for other in sorted(world.voters | {member}) if not _surely_idle(world, other)]
    if unknown:
        return f"{len(unknown)} of {len(world.voters)} voters may be part of a quorum unseen: {unknown}"
    # All are idle while they elect, and the one that is restarted may be the one that they need.
    return _election(world, patience_s)


def _election(world: World, patience_s: float) -> str:
    if world.leaderless_s >= patience_s:
        return ""
    return f"there has been no leader for {world.leaderless_s:.0f} s only, which may be an election"


def _surely_idle(world: World, member: int) -> bool:
    pod, answer = world.pods.get(member), world.answer(member)
    if isinstance(answer, Silent):
        return pod is None or pod.running is Running.NO
    return isinstance(answer, NotServing)


def voting(world: World, member: int) -> Serving | None:
    """Return the answer of a member that says it leads or follows."""
    answer = world.serving(member)
    return answer if answer is not None and answer.mode in _VOTING_MODES else None


def _version(answer: Serving) -> int:
    return answer.configuration.version if answer.configuration is not None else -1


def _unknown(world: World) -> str:
    if len(world.leaders) != 1:
        why = f"{len(world.leaders)} members say they lead, exactly 1 must"
        return "; ".join(filter(None, (why, world.troubles(world.voters))))
    return "the leader does not tell the committed configuration"


def _missing(world: World, needed: frozenset[int], serving: frozenset[int]) -> str:
    missing = sorted(needed - serving)
    if not missing:
        return ""
    names = ", ".join(_told(world, member) for member in missing)
    return f"{len(needed) - len(missing)} of {len(needed)} voters that are needed serve; missing: {names}"


def _told(world: World, member: int) -> str:
    answer, pod = world.answer(member), world.pods.get(member)
    name = pod.name if pod is not None else str(member)
    if pod is not None and pod.trouble:
        return f"{name} ({pod.trouble})"
    return f"{name} ({answer.why})" if isinstance(answer, Silent) else f"{name} (does not serve)"


def _leaving_pods(world: World, needed: frozenset[int]) -> str:
    going = sorted(member for member in needed if member in world.pods and world.pods[member].deleting)
    return f"{len(going)} of {len(needed)} voters that are needed are being stopped" if going else ""


def _disagreement(committed: Configuration, versions: tuple[int, ...]) -> str:
    if versions == (committed.version,):
        return ""
    told = ", ".join("unknown" if version < 0 else f"{version:x}" for version in versions)
    return f"voters act on {len(versions)} configurations ({told}), all must act on {committed.version:x}"


def _unsynced(synced: int | None, followers: int, unseen: int) -> str:
    if synced is None:
        return "the leader does not tell how many followers are in sync"
    # More in sync than say so themselves: one that does not answer us serves others.
    in_sync = followers <= synced <= followers + unseen
    return "" if in_sync else f"{synced} of {followers} voting followers are in sync"
