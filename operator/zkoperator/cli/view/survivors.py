"""Which members of an ensemble without a quorum have data, and which of them has the latest. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from zkoperator.api.cluster import Member
from zkoperator.cli.view.terminal import Style, table
from zkoperator.ensemble.model.names import RECOVER

_ELECTION = re.compile(r"New election\. My id = +\d+, proposed zxid=0x(?P<zxid>[0-9a-fA-F]+)")
"""What FastLeaderElection of ZooKeeper 3.5 to 3.9 logs at INFO whenever a member begins to look for a leader."""
_NEGATIVE = 1 << 63
"""A member with an empty disk logs the least `long` while it has no vote, and -1 once it hears that it has one."""


@dataclass(frozen=True, slots=True)
class Survivor:
    """A member, and the last transaction that is known of it: from its own log if `logged`, else from the status."""

    pod: str
    zxid: int
    logged: bool


def elected_zxid(log: str) -> int | None:
    """Return the last transaction that the member had at its last election, None when its log has no election.

    It is 0 when the member had no data.
    """
    found = _ELECTION.findall(log)
    if not found:
        return None
    zxid = int(found[-1], 16)
    return zxid if zxid < _NEGATIVE else 0


def survivors_of(members: Iterable[Member], logs: Mapping[str, str]) -> tuple[Survivor, ...]:
    """Return the members, the one with the latest transaction first. Of equal ones, those known from logs come first.

    Args:
        members: as the operator has them in the status.
        logs: the logs that can be read, by pod.
    """
    found = []
    for member in members:
        said = elected_zxid(logs.get(member.name, ""))
        known = int(member.zxid or "0", 16)
        found.append(Survivor(member.name, known if said is None else said, said is not None))
    return tuple(sorted(found, key=lambda each: (-each.zxid, not each.logged, each.pod)))


def seed_among(survivors: Iterable[Survivor]) -> Survivor | None:
    """Return the member with the latest transaction of those that run and have any data, None when none has."""
    return next((each for each in survivors if each.logged and each.zxid > 0), None)


def approval(survivor: Survivor) -> str:
    """Return the text of the annotation that approves to go on from this member."""
    return f"{survivor.pod}@{survivor.zxid:#x}"


def to_json(cluster: str, survivors: Iterable[Survivor], seed: Survivor | None, *, approved: bool) -> dict[str, Any]:
    """Return the comparison for programs."""
    return {
        "cluster": cluster,
        "members": [{"pod": each.pod, "zxid": f"{each.zxid:#x}", "fromLog": each.logged} for each in survivors],
        "proposal": approval(seed) if seed is not None else None,
        "approved": approved,
    }


def page(cluster: str, namespace: str, survivors: tuple[Survivor, ...], seed: Survivor | None, style: Style) -> str:
    """Return the comparison and what a person can do, as text."""
    rows = [
        (
            each.pod,
            f"{each.zxid:#x}" if each.zxid else "none",
            "its log" if each.logged else "the status, when it served",
        )
        for each in survivors
    ]
    shown = table(("POD", "LAST TRANSACTION", "KNOWN FROM"), rows, style.width)
    return f"{shown}\n\n{_advice(cluster, namespace, survivors, seed)}"


def _advice(cluster: str, namespace: str, survivors: tuple[Survivor, ...], seed: Survivor | None) -> str:
    if seed is None:
        return (
            "No member that runs says in its log that it has data. Bring back the pod of one that has "
            f"(kubectl -n {namespace} get pods,pvc), and run this again."
        )
    ahead = [each for each in survivors if each.zxid > seed.zxid]
    behind = (
        f"{', '.join(each.pod for each in ahead)} had later ones, which are lost if you go on without "
        f"{'it' if len(ahead) == 1 else 'them'}. "
        if ahead
        else ""
    )
    return (
        f"{seed.pod} has the latest data of those that run. {behind}Writes that only the others have are lost, also "
        "ones that were acknowledged. All members are stopped, this one starts alone, and the others begin with a copy "
        "of its data; what they had is kept on their volumes in /data/aside. Members that come back by themselves are "
        f"always better, so wait for them if you can. To go on from {seed.pod}:\n"
        f"  kubectl -n {namespace} annotate zk {cluster} {RECOVER}={approval(seed)} --overwrite"
    )
