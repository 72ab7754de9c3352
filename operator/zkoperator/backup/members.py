"""Which member of an ensemble a backup is read from. Pure."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from zkoperator.zk.hosts import Address

_FIELD: Final = re.compile(r"^(Mode|Zxid|Zookeeper version): (.+)$", re.MULTILINE)
_VERSION: Final = re.compile(r"^[0-9]+\.[0-9]+\.[0-9]+")
_ORDER: Final = ("follower", "observer", "leader", "standalone")
"""From the most wanted: reads of a follower cost the leader nothing."""
_UNLISTED: Final = "is not executed because it is not in the whitelist"
_OLDEST: Final = (3, 6)


class Candidate(NamedTuple):
    """A member that serves. `mode` is empty where the member may not tell, as is `version`."""

    address: Address
    mode: str
    zxid: int
    version: str


def candidate(address: Address, srvr: str) -> Candidate | None:
    """Return what the answer to `srvr` makes of a member, None for one that does not serve everybody in a quorum."""
    if _UNLISTED in srvr:
        return Candidate(address, "", 0, "")
    fields: dict[str, str] = {found[1]: found[2].strip() for found in _FIELD.finditer(srvr)}
    version = _VERSION.match(fields.get("Zookeeper version", ""))
    try:
        zxid = int(fields["Zxid"], 16)
    except (KeyError, ValueError):
        return None
    mode = fields.get("Mode", "")
    return Candidate(address, mode, zxid, version.group() if version is not None else "") if mode in _ORDER else None


def ranked(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the candidates, the best to read from first: followers, and among these the one that has the most."""
    return sorted(candidates, key=lambda known: (_rank(known.mode), -known.zxid))


def is_too_old(version: str) -> bool:
    """Return whether a version lacks the watch and the read that an exact export needs."""
    return version != "" and tuple(map(int, version.split(".")[:2])) < _OLDEST


def _rank(mode: str) -> int:
    return _ORDER.index(mode) if mode in _ORDER else len(_ORDER)
