"""Members that read their files as late as kubelets bring them, and an operator that replaces certificates.

After each moment every pair that may meet must verify one another: that is the one claim.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509

from tests.support.models.foreign_pki import NOW
from zkoperator.pki import rotation
from zkoperator.pki.authority import RANDOM_BYTES, Authority, Leaf, found_authority, issue
from zkoperator.pki.bundles import anchors_of
from zkoperator.pki.certificates import is_valid_at
from zkoperator.pki.delivered import Delivered
from zkoperator.pki.files import BUNDLES, LEAVES, File, Held
from zkoperator.pki.rotation import (
    SPREAD,
    Issuance,
    IssueLeaf,
    Port,
    Reader,
    Rotation,
    Situation,
    Source,
    WriteBundle,
    WriteLeaf,
)

NAMES = frozenset({"*.main-zk-members.demo.svc"})
MARK = "1a2b3c4d"
TICK = timedelta(seconds=5)
ORDER = (File.CLIENT_CA, File.QUORUM_CA, File.CLIENT, File.QUORUM)
Content = Leaf | tuple[x509.Certificate, ...]


@dataclass
class Member:
    """A pod: what it has loaded, and whether its kubelet still brings it anything."""

    name: str
    started: datetime
    loaded: dict[File, Content] = field(default_factory=dict)
    cut_off: bool = False

    def leaf(self, file: File) -> Leaf | None:
        found = self.loaded.get(file)
        return found if isinstance(found, Leaf) else None

    def bundle(self, file: File) -> tuple[x509.Certificate, ...]:
        found = self.loaded.get(file, ())
        return found if isinstance(found, tuple) else ()


class World:
    """One cluster with both ports, and its operator's CA or Secrets of people."""

    def __init__(self, *, members: int = 3, life: timedelta = timedelta(days=90)) -> None:
        self.now = NOW
        self.life = life
        self.files: dict[File, Content] = {}
        self.written: dict[File, datetime] = {}
        self.authorities: tuple[Authority, ...] = ()
        self.delivered: dict[File, Delivered] = {}
        self.members = [Member(f"main-zk-{number}", NOW) for number in range(members)]
        self.client_bundle: tuple[x509.Certificate, ...] = ()
        self.changes: list[tuple[datetime, File]] = []
        self.last: Rotation = Rotation()
        self._history: list[tuple[datetime, dict[File, Content]]] = []
        self._random = 0
        self._highest = 0

    def situation(self) -> Situation:
        held = Held(
            leaves={file: leaf for file in LEAVES if isinstance(leaf := self.files.get(file), Leaf)},
            bundles={file: bundle for file in BUNDLES if isinstance(bundle := self.files.get(file), tuple)},
            written=dict(self.written),
        )
        ports = tuple(
            Port(leaf, bundle, self.source(leaf))
            for leaf, bundle in (
                (File.CLIENT, File.PUBLISHED),
                (File.QUORUM, File.QUORUM_CA),
                (File.OPERATOR, File.CLIENT_CA),
            )
        )
        readers = tuple(Reader(each.name, each.started, not each.cut_off) for each in self.members)
        return Situation(held, ports, (), readers, self.now)

    def source(self, file: File) -> Source:
        return self.delivered.get(file) or Issuance(self.authorities, NAMES, self.life)

    def operate(self) -> Rotation:
        """One pass of the operator."""
        number = rotation.next_generation(self.authorities, self._highest, self.now)
        if number is not None:
            self._highest = number
            founded = found_authority("demo/main", MARK, number, self.random(), self.now)
            self.authorities = (*self.authorities, founded)
        self.last = rotation.rotate(self.situation())
        match self.last.change:
            case WriteBundle(file, authorities):
                self._write(file, authorities)
            case WriteLeaf(file, leaf):
                self._write(file, leaf)
            case IssueLeaf(file, authority, names, life):
                self._write(file, issue(authority, "", sorted(names), self.random(), self.now, life))
            case None:
                pass
        return self.last

    def settle(self) -> None:
        """Pass until nothing is to be done now."""
        for _ in range(20):
            if self.operate().change is None:
                return
        raise AssertionError("it never settles")

    def pass_time(self, duration: timedelta, *, operated: bool = True, step: timedelta = timedelta(minutes=1)) -> None:
        end = self.now + duration
        while self.now < end:
            self.now = min(end, self.now + step)
            self.deliver()
            self.check()
            if operated:
                self.settle()
                self.check()

    def deliver(self) -> None:
        """Kubelets and loops bring members what was written in time before; clients read what is published."""
        for member in self.members:
            if not member.cut_off:
                self._read(member, self._as_of(self.now - SPREAD + TICK))
        self.client_bundle = self._bundle(self._as_of(self.now - SPREAD + TICK), File.PUBLISHED)

    def restart(self, number: int) -> None:
        """Start the pod again: it reads what is there now."""
        member = self.members[number]
        member.started, member.cut_off, member.loaded = self.now, False, {}
        self._read(member, dict(self.files))
        self.check()

    def check(self) -> None:
        """Every certificate that is shown is verified by everybody who may meet it."""
        for shown in self.members:
            for met in self.members:
                self._verified(shown.leaf(File.QUORUM), met.bundle(File.QUORUM_CA), f"{shown.name} by {met.name}")
            self._verified(shown.leaf(File.CLIENT), self.client_bundle, f"{shown.name} by clients")
            operator = self.files.get(File.OPERATOR)
            if isinstance(operator, Leaf):
                self._verified(operator, shown.bundle(File.CLIENT_CA), f"the operator by {shown.name}")

    def random(self) -> bytes:
        self._random += 1
        return self._random.to_bytes(RANDOM_BYTES)

    def _verified(self, leaf: Leaf | None, bundle: tuple[x509.Certificate, ...], what: str) -> None:
        if leaf is None or not bundle or not is_valid_at(leaf.certificate, self.now):
            return
        found = anchors_of(leaf.certificate, leaf.intermediates, bundle)
        assert found, f"{what}: {leaf.certificate.issuer.rfc4514_string()} is not trusted at {self.now}"

    def _write(self, file: File, content: Content) -> None:
        before = dict(self.files)
        self.files[file], self.written[file] = content, self.now
        assert sum(self.files.get(each) != before.get(each) for each in File) <= 1
        self._history.append((self.now, dict(self.files)))
        self.changes.append((self.now, file))

    def _as_of(self, moment: datetime) -> Mapping[File, Content]:
        past = [files for when, files in self._history if when <= moment]
        return past[-1] if past else {}

    def _read(self, member: Member, files: Mapping[File, Content]) -> None:
        for file in ORDER:
            if file in files:
                member.loaded[file] = files[file]

    def _bundle(self, files: Mapping[File, Content], file: File) -> tuple[x509.Certificate, ...]:
        found = files.get(file, ())
        return found if isinstance(found, tuple) else ()
