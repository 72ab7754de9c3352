"""Decides which file is to be written next, so that nobody ever meets a certificate that it cannot verify. Pure.

The order: the CA of a new certificate goes into the bundle first; when every member and client has had the time to read
it, the certificate follows; the old CA stays for as long as the old certificate may be in use. One file at a time:
ZooKeeper reads two that change together in threads of their own, and may keep the old one of them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

from zkoperator.pki.authority import RENEWED_BEFORE_END, Authority, Leaf, renewal_of
from zkoperator.pki.bundles import anchors_of, clashing_names, without_doubles
from zkoperator.pki.certificates import extension, is_valid_at, name_of
from zkoperator.pki.delivered import Delivered
from zkoperator.pki.files import BUNDLES, File, Held

SPREAD: Final = timedelta(minutes=3)
"""How long a kubelet and the loop of a member may take together until a member has a file that was written."""
LINGER: Final = timedelta(hours=1)
"""How long an old CA stays after its last certificate: clients keep sessions, and read bundles when they like."""
_NOT_WRITTEN: Final = "it is not written yet"
_TIME_TO_READ: Final = f"members and clients have {SPREAD.seconds // 60} minutes to read it"
PUBLISHED_FIRST: Final = timedelta(days=30)
"""How long a new generation is in the bundle of clients before it issues, while the old one still can."""


@dataclass(frozen=True, slots=True)
class Issuance:
    """A certificate that the operator's own CA issues: its names, and for how long it is valid."""

    authorities: tuple[Authority, ...]
    names: frozenset[str]
    life: timedelta


Source = Delivered | Issuance | None
"""Where the certificate of a port comes from. None while the delivered one is refused: the present one then stays."""


@dataclass(frozen=True, slots=True)
class Port:
    """One certificate: its file, the bundle by which others verify it, and its source."""

    leaf: File
    verified_by: File
    source: Source


@dataclass(frozen=True, slots=True)
class Reader:
    """A pod that has the files: since when it runs, and whether it is ready, so that its kubelet is at work."""

    pod: str
    started: datetime
    ready: bool


@dataclass(frozen=True, slots=True)
class Situation:
    """The input of the decision: the files, the ports, the CAs of clients (None: refused), the pods, and the time."""

    held: Held
    ports: tuple[Port, ...]
    clients: tuple[x509.Certificate, ...] | None
    readers: tuple[Reader, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class WriteBundle:
    """Write these CAs to the file."""

    file: File
    authorities: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True)
class WriteLeaf:
    """Write this certificate and its key to the file."""

    file: File
    leaf: Leaf


@dataclass(frozen=True, slots=True)
class IssueLeaf:
    """Have this generation issue a certificate, and write it to the file."""

    file: File
    authority: Authority
    names: frozenset[str]
    life: timedelta


Change = WriteBundle | WriteLeaf | IssueLeaf


@dataclass(frozen=True, slots=True)
class Rotation:
    """The next change, None when there is none now; what later changes wait for, and what prevents them."""

    change: Change | None = None
    waiting: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def held_up(self) -> tuple[str, ...]:
        """What waits for pods rather than for the time that every change takes."""
        return tuple(text for text in self.waiting if not text.endswith((_TIME_TO_READ, _NOT_WRITTEN)))


def rotate(situation: Situation) -> Rotation:
    """Return the next change."""
    problems = tuple(text for port in situation.ports if (text := _clash(situation, port)))
    changes = (*_bundle_changes(situation), *_leaf_changes(situation))
    change = next((each for each in changes if not isinstance(each, str)), None)
    return Rotation(change, tuple(each for each in changes if isinstance(each, str)), problems)


def next_generation(authorities: tuple[Authority, ...], last_number: int, now: datetime) -> int | None:
    """Return the number of the generation to found now, None while there is one that lives long enough.

    `last_number` is the highest that is known from anywhere: a name must not come back with another key.
    """
    living = [each for each in authorities if each.key is not None]
    if any(each.certificate.not_valid_after_utc - now > RENEWED_BEFORE_END for each in living):
        return None
    return max((last_number, *(each.number for each in authorities))) + 1


def signer_of(issuance: Issuance, now: datetime) -> Authority | None:
    """Return the generation that issues now: the newest, once clients have had the time to read its certificate."""
    able = [each for each in issuance.authorities if each.key is not None and is_valid_at(each.certificate, now)]
    able.sort(key=lambda each: each.number)
    if len(able) > 1:
        older, newest = able[-2], able[-1]
        is_new = now - newest.certificate.not_valid_before_utc < PUBLISHED_FIRST
        if is_new and older.certificate.not_valid_after_utc - now >= issuance.life:
            return older
    return able[-1] if able else None


def anchors_wanted(source: Source, now: datetime) -> tuple[x509.Certificate, ...]:
    """Return the CAs that a bundle must have for this source."""
    match source:
        case Delivered():
            return source.authorities
        case Issuance():
            certificates = (each.certificate for each in source.authorities)
            return tuple(each for each in certificates if is_valid_at(each, now))
        case None:
            return ()


def holdup(readers: Iterable[Reader], since: datetime, now: datetime) -> str:
    """Return which pods may not have what was written at `since`, "" when all of them have it.

    A pod that started later has read it at its start; one that is not ready may be on a node whose kubelet is gone.
    """
    late = [each.pod for each in readers if each.started < since and not (each.ready and now - since >= SPREAD)]
    return ", ".join(sorted(late))


def _bundle_changes(situation: Situation) -> Iterator[Change]:
    for file in BUNDLES:
        wanted = _bundle(situation, file)
        held = situation.held.bundles.get(file, ())
        # A bundle of an unknown age is written again, because nobody can tell who has it.
        if wanted and (wanted != held or file not in situation.held.written):
            yield WriteBundle(file, wanted)


def _bundle(situation: Situation, file: File) -> tuple[x509.Certificate, ...]:
    """Return the CAs that are to be in the bundle now: the wanted ones, and those that are still in use."""
    held = situation.held.bundles.get(file, ())
    ports = [port for port in situation.ports if port.verified_by is file]
    if not ports or any(port.source is None for port in ports):
        return held
    wanted = [each for port in ports for each in anchors_wanted(port.source, situation.now)]
    if file is File.CLIENT_CA:
        if situation.clients is None:
            return held
        wanted += situation.clients
    kept = [each for port in ports for each in _still_used(situation, port, held)]
    together = without_doubles((*wanted, *kept))
    if not clashing_names(together):
        return together
    in_use = any(_is_valid(situation, port) for port in ports)
    return held if in_use else without_doubles(wanted)


def _still_used(situation: Situation, port: Port, held: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...]:
    """Return the CAs of the bundle that must stay for a certificate that somebody may still show."""
    leaf = situation.held.leaves.get(port.leaf)
    mine = anchors_of(leaf.certificate, leaf.intermediates, held) if leaf is not None else ()
    since = situation.held.written.get(port.leaf)
    if port.verified_by is File.CLIENT_CA or leaf is None:
        return mine
    settled = since is not None and not holdup(situation.readers, since, situation.now)
    return mine if settled and since is not None and situation.now - since >= SPREAD + LINGER else held


def _leaf_changes(situation: Situation) -> Iterator[Change | str]:
    for port in situation.ports:
        change = _leaf_change(situation, port)
        if change is None or _clash(situation, port):
            continue
        why = _hurdle(situation, port, change)
        yield f"{port.leaf} waits until its CA is everywhere: {why}" if why else change


def _leaf_change(situation: Situation, port: Port) -> WriteLeaf | IssueLeaf | None:
    held = situation.held.leaves.get(port.leaf)
    match port.source:
        case Delivered(leaf):
            return WriteLeaf(port.leaf, leaf) if held != leaf else None
        case Issuance() as issuance:
            signer = signer_of(issuance, situation.now)
            if signer is None or not _is_due(issuance, held, situation.now):
                return None
            return IssueLeaf(port.leaf, signer, issuance.names, issuance.life)
        case None:
            return None


def _is_due(issuance: Issuance, held: Leaf | None, now: datetime) -> bool:
    """Whether a certificate must be issued: it is missing, ages, has other names, or its CA is not ours."""
    if held is None or now >= renewal_of(held.certificate) or now < held.certificate.not_valid_before_utc:
        return True
    names = extension(held.certificate, x509.SubjectAlternativeName)
    found = frozenset(names.get_values_for_type(x509.DNSName)) if names is not None else frozenset()
    known = [each.certificate for each in issuance.authorities]
    return found != issuance.names or not anchors_of(held.certificate, held.intermediates, known)


def _hurdle(situation: Situation, port: Port, change: WriteLeaf | IssueLeaf) -> str:
    """Return why a certificate may not be shown yet. One that replaces no valid certificate need not wait."""
    bundle = situation.held.bundles.get(port.verified_by, ())
    anchors = _anchors_of(change, bundle)
    if not anchors:
        return _NOT_WRITTEN
    held = situation.held.leaves.get(port.leaf)
    if held is None or not is_valid_at(held.certificate, situation.now):
        return ""
    if set(anchors) & set(anchors_of(held.certificate, held.intermediates, bundle)):
        return ""
    since = situation.held.written.get(port.verified_by)
    if since is None or situation.now - since < SPREAD:
        return _TIME_TO_READ
    return holdup(situation.readers, since, situation.now)


def _anchors_of(change: WriteLeaf | IssueLeaf, bundle: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...]:
    if isinstance(change, WriteLeaf):
        return anchors_of(change.leaf.certificate, change.leaf.intermediates, bundle)
    return tuple(each for each in bundle if each == change.authority.certificate)


def _clash(situation: Situation, port: Port) -> str:
    """Return why two CAs of one name cannot follow one another while a certificate of the old one is in use."""
    bundle = situation.held.bundles.get(port.verified_by, ())
    wanted = anchors_wanted(port.source, situation.now)
    names = clashing_names((*bundle, *wanted)) if _is_valid(situation, port) else ()
    if not names:
        return ""
    return (
        f"{port.leaf} stays as it is until it ends: the new CA {name_of(names[0])} has the name of the old one and "
        "another key, and ZooKeeper can trust only one of them; give the new CA a name of its own"
    )


def _is_valid(situation: Situation, port: Port) -> bool:
    held = situation.held.leaves.get(port.leaf)
    return held is not None and is_valid_at(held.certificate, situation.now)
