"""What members say of themselves, from the four-letter words `srvr`, `mntr` and `conf`."""

import re
from dataclasses import dataclass
from enum import StrEnum

from zkoperator.ensemble.configuration import Configuration, parse_configuration

_SRVR = re.compile(r"^(?P<key>[A-Z][A-Za-z ]*): ?(?P<value>.*)$", re.MULTILINE)
_VERSION = re.compile(r"^[0-9]+\.[0-9]+\.[0-9]+")


class Mode(StrEnum):
    """The part that a serving member plays. A joiner is a follower that does not vote yet."""

    LEADER = "leader"
    FOLLOWER = "follower"
    OBSERVER = "observer"
    STANDALONE = "standalone"


@dataclass(frozen=True, slots=True)
class Serving:
    """The member serves in a quorum, as it says itself.

    `configuration` is the one it acts on; `synced` and `synced_non_voting` are a leader's counts of followers in sync,
    None where it does not say. The first includes the second.
    """

    mode: Mode
    zxid: int
    version: str
    configuration: Configuration | None
    synced: int | None = None
    synced_non_voting: int | None = None
    digest_mismatches: int = 0

    @property
    def synced_voters(self) -> int | None:
        """Voting followers in sync with this leader."""
        if self.synced is None or self.synced_non_voting is None:
            return None
        return self.synced - self.synced_non_voting


@dataclass(frozen=True, slots=True)
class NotServing:
    """The member answers that it serves nobody: it has no quorum."""


@dataclass(frozen=True, slots=True)
class Silent:
    """The member did not answer, or not in full: nothing is known of it."""

    why: str


Answer = Serving | NotServing | Silent


def read_answer(srvr: str, mntr: str, conf: str) -> Answer:
    """Return what the three answers say together. They are asked one after another, so they may disagree."""
    if "not currently serving" in srvr:
        return NotServing()
    fields = {found["key"]: found["value"].strip() for found in _SRVR.finditer(srvr)}
    numbers = _numbers(mntr)
    version = _VERSION.match(fields.get("Zookeeper version", ""))
    try:
        return Serving(
            mode=Mode(fields["Mode"]),
            zxid=int(fields["Zxid"], 16),
            version=version.group() if version is not None else "",
            configuration=parse_configuration(conf),
            synced=numbers.get("zk_synced_followers"),
            synced_non_voting=numbers.get("zk_synced_non_voting_followers"),
            digest_mismatches=numbers.get("zk_digest_mismatches_count", 0),
        )
    except (KeyError, ValueError):
        return Silent("its answer to srvr cannot be read")


def _numbers(mntr: str) -> dict[str, int]:
    pairs = (line.split("\t", 1) for line in mntr.splitlines() if "\t" in line)
    return {key: int(float(value)) for key, value in pairs if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value.strip())}
