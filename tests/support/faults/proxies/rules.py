"""Faults as values: what to do to which request, and at which occurrence.

Every rule prints itself as the expression that makes it, so that a failing case can be pasted into a test:

    Rule(Kube(verb="apply", resource="configmaps"), DropReply(), Nth(2))

A `RuleBook` counts occurrences for one proxy; the values themselves never change.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from tests.support.faults.proxies.kube_requests import KubeLine, KubeRequest
from tests.support.faults.proxies.zk_frames import ZkNotification, ZkRequest

ANY = "*"

Subject = KubeRequest | KubeLine | ZkRequest | ZkNotification


def _fits(pattern: str, value: str) -> bool:
    """`a|b*` fits `a` and everything that begins with `b`."""
    return any(fnmatchcase(value, part) for part in pattern.split("|"))


@dataclass(frozen=True, slots=True)
class Kube:
    """A request to the Kubernetes API. Patterns are globs, alternatives are joined by `|`.

    `verb` is get, list, watch, create, update, patch, apply (a server-side apply), delete or deletecollection;
    `resource` the plural, with a subresource as in `configsyncs/status`; `labels` the selector of a list or watch, by
    which two informers of one kind are told apart.
    """

    verb: str = ANY
    resource: str = ANY
    namespace: str = ANY
    name: str = ANY
    labels: str = ANY

    def fits(self, subject: Subject) -> bool:
        return isinstance(subject, KubeRequest) and all(
            (
                _fits(self.verb, subject.verb),
                _fits(self.resource, subject.resource),
                _fits(self.namespace, subject.namespace),
                _fits(self.name, subject.name),
                _fits(self.labels, subject.labels),
            )
        )


@dataclass(frozen=True, slots=True)
class KubeEvent:
    """One line of a watch: `type` is ADDED, MODIFIED, DELETED, BOOKMARK or ERROR."""

    type: str = ANY
    resource: str = ANY
    namespace: str = ANY
    name: str = ANY

    def fits(self, subject: Subject) -> bool:
        return isinstance(subject, KubeLine) and all(
            (
                _fits(self.type, subject.type),
                _fits(self.resource, subject.resource),
                _fits(self.namespace, subject.namespace),
                _fits(self.name, subject.name),
            )
        )


@dataclass(frozen=True, slots=True)
class Zk:
    """A request to ZooKeeper. A multi fits by its own name and by the path of any of its operations."""

    op: str = ANY
    path: str = ANY

    def fits(self, subject: Subject) -> bool:
        return (
            isinstance(subject, ZkRequest)
            and _fits(self.op, subject.op)
            and any(_fits(self.path, path) for path in subject.paths or ("",))
        )


@dataclass(frozen=True, slots=True)
class ZkEvent:
    """A notification: `type` is created, deleted, data_changed or children_changed."""

    type: str = ANY
    path: str = ANY

    def fits(self, subject: Subject) -> bool:
        return isinstance(subject, ZkNotification) and _fits(self.type, subject.type) and _fits(self.path, subject.path)


Match = Kube | KubeEvent | Zk | ZkEvent


@dataclass(frozen=True, slots=True)
class Every:
    """Each occurrence."""

    def due(self, count: int) -> bool:
        return count > 0


@dataclass(frozen=True, slots=True)
class Nth:
    """The n-th occurrence alone, counted from 1."""

    n: int

    def due(self, count: int) -> bool:
        return count == self.n


@dataclass(frozen=True, slots=True)
class First:
    """The first n occurrences."""

    n: int

    def due(self, count: int) -> bool:
        return count <= self.n


@dataclass(frozen=True, slots=True)
class From:
    """The n-th occurrence and all later ones."""

    n: int

    def due(self, count: int) -> bool:
        return count >= self.n


When = Every | Nth | First | From


@dataclass(frozen=True, slots=True)
class DropRequest:
    """Cut the connection before anything is forwarded: the write did not happen."""


@dataclass(frozen=True, slots=True)
class DropReply:
    """Forward, wait for the answer, and cut the connection instead of passing it on: the write did happen."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait before forwarding, or (`reply`) before passing the answer on."""

    seconds: float
    reply: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep the request (or the `reply`, or the event) until `proxy.gates.release(key)`; a dead client's too."""

    key: str
    reply: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """Refuse without forwarding: an HTTP status with a Kubernetes Status body."""

    status: int
    reason: str = ""
    message: str = "injected"
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class ZkError:
    """Refuse without forwarding: an error code of ZooKeeper (-4 connection loss, -101 no node, -102 no auth, ...)."""

    code: int


@dataclass(frozen=True, slots=True)
class CutReply:
    """Forward, pass on this share of the answer's bytes, then cut: the middle of a body or of a frame."""

    share: float = 0.5


@dataclass(frozen=True, slots=True)
class ServeSnapshot:
    """Answer reads from an older recorded state; watches stay open and silent until the rule is taken away."""

    snapshot: "Snapshot"


@dataclass(frozen=True, slots=True)
class FreezeWatch:
    """Pass on so many events, then nothing any more; the connection stays open."""

    after: int = 0


@dataclass(frozen=True, slots=True)
class CutWatch:
    """Pass on so many events, then end the stream: `clean` as a server does at its time limit, else by a reset."""

    after: int = 0
    clean: bool = True


@dataclass(frozen=True, slots=True)
class CutLine:
    """Pass on so many events and half of the next line, then end the stream, cleanly or by a reset."""

    after: int = 0
    clean: bool = False


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """Pass on so many events, then an ERROR event with this code (410: Expired), then end the stream."""

    code: int = 410
    reason: str = "Expired"
    after: int = 0


@dataclass(frozen=True, slots=True)
class Discard:
    """Lose this event."""


@dataclass(frozen=True, slots=True)
class Swap:
    """Deliver this event after the next one of its stream, or after a second without one."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Deliver this event twice."""


@dataclass(frozen=True, slots=True)
class KillSession:
    """Close the client's session at the server before forwarding: expiry, as seen by everybody."""


RequestAction = DropRequest | DropReply | Delay | Hold | Answer | ZkError | CutReply | ServeSnapshot | KillSession
WatchAction = FreezeWatch | CutWatch | CutLine | ErrorEvent
EventAction = Discard | Swap | Duplicate | Hold | Delay
Action = RequestAction | WatchAction | EventAction


@dataclass(frozen=True, slots=True)
class Rule:
    """Do `action` to what fits `match`, at the occurrences that `when` names.

    Raises:
        ValueError: No proxy does such a thing to such a subject; a rule that does nothing would prove nothing.
    """

    match: Match
    action: Action
    when: When = field(default_factory=Every)

    def __post_init__(self) -> None:
        if why := _why_not(self.match, self.action):
            raise ValueError(f"{self!r} would do nothing: {why}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Lists as they once were: (resource, JSON text of the list) pairs."""

    lists: tuple[tuple[str, str], ...]


_ON_ANY_REQUEST = (DropRequest, DropReply, Delay, Hold, CutReply)
_DONE_TO: dict[type, tuple[type, ...]] = {
    Kube: (*_ON_ANY_REQUEST, Answer, ServeSnapshot, FreezeWatch, CutWatch, CutLine, ErrorEvent),
    KubeEvent: (Discard, Swap, Duplicate, Hold, Delay),
    Zk: (*_ON_ANY_REQUEST, ZkError, KillSession),
    ZkEvent: (Discard, Duplicate, Hold, Delay),
}


def _why_not(match: Match, action: Action) -> str:
    """Why no proxy can do this to that, empty when it can."""
    if not isinstance(action, _DONE_TO[type(match)]):
        known = ", ".join(kind.__name__ for kind in _DONE_TO[type(match)])
        return f"what is done to {type(match).__name__} is {known}"
    if isinstance(match, KubeEvent | ZkEvent) and isinstance(action, Hold | Delay) and action.reply:
        return "an event has no reply"
    if isinstance(match, Kube) and isinstance(action, FreezeWatch | CutWatch | CutLine | ErrorEvent):
        return "" if match.verb == "watch" else "it is done to a watch alone, so write the verb watch"
    if isinstance(match, Kube) and isinstance(action, ServeSnapshot):
        return _why_no_snapshot(match, action.snapshot)
    return ""


def _why_no_snapshot(match: Kube, snapshot: Snapshot) -> str:
    if not {"get", "list", "watch"}.issuperset(match.verb.split("|")):
        return "a snapshot answers the verbs get, list and watch alone"
    absent = sorted(set(match.resource.split("|")) - {resource for resource, _ in snapshot.lists})
    return f"the snapshot holds no {', '.join(absent)}" if absent else ""


class RuleBook:
    """The rules of one proxy, with the occurrences counted."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._seen: dict[int, int] = {}
        self._fired: dict[int, int] = {}

    def add(self, *rules: Rule) -> None:
        """Rules added earlier win over later ones."""
        for rule in rules:
            self._rules.append(rule)
            self._seen[id(rule)] = self._fired[id(rule)] = 0

    def remove(self, *rules: Rule) -> None:
        """Take rules away; what they hold or froze already stays as it is."""
        for rule in rules:
            self._rules = [kept for kept in self._rules if kept is not rule]

    def clear(self) -> None:
        self._rules.clear()

    @contextmanager
    def active(self, *rules: Rule) -> Iterator[None]:
        """Rules for the length of a `with` block."""
        self.add(*rules)
        try:
            yield
        finally:
            self.remove(*rules)

    def holds(self, rule: Rule) -> bool:
        return any(kept is rule for kept in self._rules)

    def fired(self, rule: Rule) -> int:
        """How often the rule has acted: a fault that never happened proves nothing."""
        return self._fired[id(rule)]

    def pick(self, subject: Subject) -> Rule | None:
        """Count the subject for every rule that it fits, and return the first rule that is due."""
        due: Rule | None = None
        for rule in self._rules:
            if not rule.match.fits(subject):
                continue
            self._seen[id(rule)] += 1
            if due is None and rule.when.due(self._seen[id(rule)]):
                due = rule
        if due is not None:
            self._fired[id(due)] += 1
        return due
