"""Whether members hold different data, from the digests that they compute of their trees. Pure.

After each transaction a follower compares the digest of its tree with the leader's, and counts what differs
(`zk_digest_mismatches_count`). Tried on 3.9.4: a member that is sent a snapshot under heavy writes counts hundreds in
its first seconds although no znode differs, so only growth after that means something. A leader with wrong data makes
the members with right data count, so the count never says who is right. The word `hash` lists digests of the whole tree
for zxids that are multiples of 128; equal ones make a group of members with equal data. Digests do not cover ACLs.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from zkoperator.ensemble.observe.answers import Answer, Serving

SETTLING_S = 30.0
"""Seconds of serving after which the count must stay as it is."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """Members that applied transactions with another result than the leader.

    `groups` are the members by equal data, the largest group first; empty while that is not known.
    """

    members: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...] = ()


@dataclass(slots=True)
class _Count:
    since_s: float
    newest: int
    settled: int | None = None


class MismatchGrowth:
    """Remembers of one cluster how many mismatches each member had counted when it had served for a while."""

    def __init__(self) -> None:
        self._counts: dict[int, _Count] = {}

    def growing(self, answers: Mapping[int, Answer], now_s: float) -> tuple[int, ...]:
        """Return the members whose count has grown since. `now_s` is monotonic."""
        found = {
            member: answer.digest_mismatches
            for member, answer in sorted(answers.items())
            if isinstance(answer, Serving) and answer.digest_mismatches is not None
        }
        self._counts = {member: self._count(member, mismatches, now_s) for member, mismatches in found.items()}
        return tuple(
            member
            for member, count in self._counts.items()
            if count.settled is not None and count.newest > count.settled
        )

    def _count(self, member: int, mismatches: int, now_s: float) -> _Count:
        known = self._counts.get(member)
        if known is None or mismatches < known.newest:
            # A lower count is that of another process.
            return _Count(now_s, mismatches)
        settled = known.settled
        if settled is None and now_s - known.since_s >= SETTLING_S:
            settled = mismatches
        return _Count(known.since_s, mismatches, settled)


def groups_of(hashes: Mapping[int, str]) -> tuple[tuple[int, ...], ...]:
    """Return the members by equal data, from their answers to `hash`; empty when they have no zxid in common."""
    digests = {member: found for member, text in hashes.items() if (found := _digests(text))}
    common = set.intersection(*(set(found) for found in digests.values())) if len(digests) > 1 else set()
    if not common:
        return ()
    newest = max(common)
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for member, found in sorted(digests.items()):
        groups[found[newest]].append(member)
    return tuple(sorted(map(tuple, groups.values()), key=lambda group: (-len(group), group)))


def _digests(text: str) -> dict[int, str]:
    """Return the digest for each zxid. The result is empty if the member does not allow the word."""
    found: dict[int, str] = {}
    for line in text.splitlines():
        zxid, separator, digest = line.partition(":")
        if separator and (number := _number(zxid)) is not None:
            found[number] = digest.strip()
    return found


def _number(text: str) -> int | None:
    try:
        return int(text.strip(), 0)
    except ValueError:
        return None
