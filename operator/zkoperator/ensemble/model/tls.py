"""TLS of a member, of the ensemble, and the certificates that members have. Pure.

A member speaks TLS with its peers by two settings of the server: what it speaks when it connects (`sslQuorum`), and
whether it accepts the other as well (`portUnification`). The phases are their combinations in the order in which a
running ensemble can go through them: neighbours understand one another, others do not.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from zkoperator.ensemble.model.certificate_sources import CertificateSources


class QuorumPhase(IntEnum):
    """How a member speaks with its peers."""

    PLAINTEXT = 0
    """It speaks and accepts plaintext."""
    TLS_ACCEPTED = 1
    """It speaks plaintext and accepts both."""
    PLAINTEXT_ACCEPTED = 2
    """It speaks TLS and accepts both."""
    TLS = 3
    """It speaks and accepts TLS."""

    @property
    def word(self) -> str:
        """The word for it in status and messages."""
        return _WORDS[self]


_WORDS = {
    QuorumPhase.PLAINTEXT: "QuorumPlaintext",
    QuorumPhase.TLS_ACCEPTED: "TLSQuorumAccepted",
    QuorumPhase.PLAINTEXT_ACCEPTED: "PlaintextQuorumAccepted",
    QuorumPhase.TLS: "QuorumTLS",
}
_CLIENT = "ClientTLS"
_SEPARATOR = "+"


@dataclass(frozen=True, slots=True)
class TlsState:
    """TLS of a pod or of the whole ensemble: whether there is a TLS port for clients, and the phase of the quorum."""

    client: bool = False
    quorum: QuorumPhase = QuorumPhase.PLAINTEXT

    @property
    def text(self) -> str:
        """The state as the annotation of a pod has it; empty without TLS."""
        parts = [_CLIENT] if self.client else []
        if self.quorum is not QuorumPhase.PLAINTEXT:
            parts.append(self.quorum.word)
        return _SEPARATOR.join(parts)

    def __str__(self) -> str:
        return self.text or "plaintext"


NO_TLS = TlsState()


def parse_tls_state(text: str) -> TlsState:
    """Return the state in the annotation of a pod. A missing annotation means a pod without TLS."""
    parts = text.split(_SEPARATOR)
    quorum = next((phase for phase, word in _WORDS.items() if word in parts), QuorumPhase.PLAINTEXT)
    return TlsState(_CLIENT in parts, quorum)


def lowest(states: Iterable[TlsState]) -> QuorumPhase:
    """Return the lowest phase of these members. Without members it is the phase of plaintext."""
    return min((state.quorum for state in states), default=QuorumPhase.PLAINTEXT)


@dataclass(frozen=True, slots=True)
class Leaf:
    """The certificate in a PEM file of the members. The times are aware."""

    issuer: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Certificates:
    """What the Secret holds that members mount, and what the operator needs to be a client of theirs.

    `client` and `quorum` are None while the files of that part are not there. `trust` has the authorities by which
    members are verified at the TLS port, `identity` key and certificate of the operator, empty when it needs none.
    `problems` are sentences about certificates that were refused; the earlier ones stay in use. `now` is the time of
    day of the reading. `sources` is what the next certificates are made of, None if the operator may not read it.
    `read_s` is the monotonic time of the reading: certificates become due by time alone, so another reading is another
    observation.
    """

    client: Leaf | None = None
    quorum: Leaf | None = None
    trust: str = ""
    identity: str = field(default="", repr=False)
    problems: tuple[str, ...] = ()
    now: datetime | None = field(default=None, compare=False)
    sources: CertificateSources | None = field(default=None, repr=False, compare=False)
    read_s: float = 0.0

    def life(self, state: TlsState) -> str:
        """Return begin and end of the certificate that ends first, among those that a member needs in this state."""
        used = (self.client if state.client else None, self.quorum if state.quorum else None)
        ends = [(leaf.not_after, leaf.not_before) for leaf in used if leaf is not None]
        return f"{min(ends)[1].isoformat()}/{min(ends)[0].isoformat()}" if ends else ""

    def suffice(self, state: TlsState) -> bool:
        """Whether a member can start in this state."""
        has_quorum = state.quorum is QuorumPhase.PLAINTEXT or self.quorum is not None
        return has_quorum and (self.client is not None or not state.client)


NO_CERTIFICATES = Certificates()
