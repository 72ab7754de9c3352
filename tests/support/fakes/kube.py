"""The Kubernetes API in memory: a `KubeApi` that the contract suite holds to the real server's behaviour.

Quick enough for property tests, deterministic, and open to faults: lost replies, refused requests, stale lists, hidden
events, compaction, cut watches. Outside writers (a user with kubectl, a controller) use `edit`, `put` and `remove`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from tests.support.fakes import disruption
from tests.support.fakes.field_ownership import copy, merge_patch
from tests.support.fakes.kube_history import KindHistory, event_for, has_fields, selected
from tests.support.fakes.kube_store import US, StoredObjects, require_preconditions
from zkoperator.errors import TransientError
from zkoperator.kube.port import (
    POD_DISRUPTION_BUDGETS,
    PODS,
    STATEFUL_SETS,
    GoneError,
    Listing,
    Manifest,
    NoSuchKindError,
    Resource,
    WatchEvent,
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One request, as fault hooks see it."""

    verb: str
    resource: Resource
    namespace: str
    name: str
    subresource: str = ""

    @property
    def is_write(self) -> bool:
        """Whether it changes the world."""
        return self.verb in {"create", "apply", "patch", "delete", "evict"}


Hook = Callable[[Operation], None]


class FakeKube(StoredObjects):
    """One API server: the objects that it stores, behind the port, and open to faults.

    Attributes:
        before: called before a request takes effect; what it raises is the answer, and nothing happened.
        after: called after a request took effect; what it raises replaces the answer: a lost reply.
        hide: an event for which this returns True is never sent to any watch.
        missing_kinds: plurals of kinds that are not installed.
        operations: every request so far, refused ones included.
    """

    def __init__(self) -> None:
        super().__init__()
        self.before: Hook = lambda _: None
        self.after: Hook = lambda _: None
        self.hide: Callable[[Resource, WatchEvent], bool] = lambda _resource, _event: False
        self.missing_kinds: set[str] = set()
        self.operations: list[Operation] = []

    # The port.

    async def get(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """Return the object, or None."""
        await self._enter(Operation("get", resource, namespace, name))
        return self.peek(resource, namespace, name)

    async def list(self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        """Return all matching objects; as of `freeze_lists`, when that is on."""
        await self._enter(Operation("list", resource, namespace, ""))
        found = self._kind(resource).frozen or self._listing(resource)
        return Listing(
            tuple(copy(each) for each in found.items if selected(each, namespace, labels) and has_fields(each, fields)),
            found.resource_version,
        )

    async def watch(
        self, resource: Resource, namespace: str = "", *, labels: str = "", resource_version: str
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield the changes after the version, then wait for more until the watch is cut."""
        await self._enter(Operation("watch", resource, namespace, ""))
        kind = self._kind(resource)
        position = int(resource_version)
        cuts, expiries, bookmarks = kind.cuts, kind.expiries, kind.bookmarks
        if position < kind.compacted:
            raise GoneError(f"watch {resource.plural}: too old resource version: {position} ({kind.compacted})")
        while True:
            moved = kind.moved
            for change in kind.since(position):
                position = change.version
                event = event_for(change, namespace, labels)
                if event is not None and not self.hide(resource, event):
                    yield event
            if kind.expiries > expiries:
                raise GoneError(f"watch {resource.plural}: expired in the stream")
            if kind.cuts > cuts:
                return
            if kind.bookmarks > bookmarks:
                bookmarks = kind.bookmarks
                yield WatchEvent(
                    "BOOKMARK", {"kind": resource.kind, "metadata": {"resourceVersion": str(self._version)}}
                )
            await moved.wait()

    async def create(self, resource: Resource, namespace: str, manifest: Manifest) -> Manifest:
        """Create the object."""
        operation = Operation("create", resource, namespace, manifest["metadata"]["name"])
        await self._enter(operation)
        created = self._create(resource, namespace, manifest, manager=US, operation="Update")
        self.after(operation)
        return created

    async def apply(
        self, resource: Resource, namespace: str, manifest: Manifest, *, subresource: str = "", dry_run: bool = False
    ) -> Manifest:
        """Server-side apply, forced."""
        name = manifest["metadata"]["name"]
        operation = Operation("apply", resource, namespace, name, subresource)
        await self._enter(operation)
        applied = self._apply(resource, namespace, manifest, subresource, dry_run=dry_run)
        self.after(operation)
        return applied

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Manifest,
        *,
        resource_version: str | None = None,
        subresource: str = "",
    ) -> Manifest | None:
        """JSON merge patch."""
        operation = Operation("patch", resource, namespace, name, subresource)
        await self._enter(operation)
        known = self._kind(resource).objects.get((namespace, name))
        if known is None:
            return None
        require_preconditions(known, None, resource_version)
        patched = self._replace(resource, known, merge_patch(known.manifest, patch), subresource, manager=US)
        self.after(operation)
        return patched

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_period_s: int | None = None,
        orphan: bool = False,
    ) -> bool:
        """Delete, or mark for deletion where a finalizer holds the object. Without any grace, nothing holds it."""
        operation = Operation("delete", resource, namespace, name)
        await self._enter(operation)
        known = self._kind(resource).objects.get((namespace, name))
        if known is None:
            return False
        require_preconditions(known, uid, resource_version)
        if orphan:
            self._let_go(known.uid)
        if grace_period_s == 0:
            self.edit(resource, namespace, name, {"metadata": {"finalizers": None}})
        if (namespace, name) in self._kind(resource).objects:
            self._delete(resource, self._kind(resource).objects[(namespace, name)])
        self.after(operation)
        return True

    async def evict(
        self, namespace: str, name: str, *, uid: str | None = None, resource_version: str | None = None
    ) -> bool:
        """Delete a pod and take the disruption from its budget at once; budgets are counted by `count_budgets`."""
        operation = Operation("evict", PODS, namespace, name)
        await self._enter(operation)
        if self.peek(PODS, namespace, name) is None:
            return False
        self.evict_as_other(namespace, name, uid, resource_version)
        self.after(operation)
        return True

    # The hands of others.

    def put(self, resource: Resource, manifest: Manifest, *, manager: str = "kubectl-create") -> Manifest:
        """Create an object as somebody else; `status` is kept, as if its controller had written it already."""
        namespace = manifest["metadata"].get("namespace", "")
        created = self._create(resource, namespace, manifest, manager=manager, operation="Update")
        if "status" in manifest and "status" not in created:
            return self.edit(
                resource, namespace, created["metadata"]["name"], {"status": manifest["status"]}, subresource="status"
            )
        return created

    def remove(self, resource: Resource, namespace: str, name: str) -> None:
        """Delete an object as somebody else."""
        self._delete(resource, self._kind(resource).objects[(namespace, name)])

    def evict_as_other(
        self, namespace: str, name: str, uid: str | None = None, resource_version: str | None = None
    ) -> None:
        """Evict a pod as somebody else, a drain for one. `BudgetSpentError` when its budget allows none."""
        pod = self._kind(PODS).objects[(namespace, name)]
        budget = disruption.covering(self.every(POD_DISRUPTION_BUDGETS), pod.manifest)
        status = disruption.spent(budget, pod.manifest) if budget is not None else {}
        if budget is not None and status:
            where = POD_DISRUPTION_BUDGETS, namespace, budget["metadata"]["name"]
            self.edit(*where, {"status": status}, subresource="status", manager="kube-apiserver")
        disruption.require(pod.manifest, uid, resource_version)
        self._delete(PODS, pod)

    def count_budgets(self) -> None:
        """Do what the disruption controller does: see what is there, and tell what may go."""
        pods, sets = self.every(PODS), self.every(STATEFUL_SETS)
        for budget in self.every(POD_DISRUPTION_BUDGETS):
            where = POD_DISRUPTION_BUDGETS, budget["metadata"]["namespace"], budget["metadata"]["name"]
            status = disruption.counted(budget, pods, sets)
            self.edit(*where, {"status": status}, subresource="status", manager="kube-controller-manager")

    # Faults.

    def compact(self, resource: Resource | None = None) -> None:
        """Forget the past: a watch that starts from before now gets `GoneError`."""
        for kind in self._chosen(resource):
            kind.log.clear()
            kind.compacted = self._version

    def cut_watches(self, resource: Resource | None = None) -> None:
        """End every open watch cleanly."""
        for kind in self._chosen(resource):
            kind.cuts += 1
            kind.stir()

    def expire_watches(self, resource: Resource | None = None) -> None:
        """End every open watch with a 410 in the stream."""
        for kind in self._chosen(resource):
            kind.expiries += 1
            kind.stir()

    def send_bookmarks(self, resource: Resource | None = None) -> None:
        """Send a bookmark on every open watch."""
        for kind in self._chosen(resource):
            kind.bookmarks += 1
            kind.stir()

    def freeze_lists(self, resource: Resource) -> None:
        """Answer lists from now on with what is there now: a server that lags behind."""
        self._kind(resource).frozen = self._listing(resource)

    def thaw_lists(self, resource: Resource) -> None:
        """Answer lists with the truth again."""
        self._kind(resource).frozen = None

    # Inside.

    async def _enter(self, operation: Operation) -> None:
        self.operations.append(operation)
        await asyncio.sleep(0)  # a request lets others run, as a real one does
        if operation.resource.plural in self.missing_kinds:
            raise NoSuchKindError(f"the API server does not serve {operation.resource.plural}")
        self.before(operation)

    def _chosen(self, resource: Resource | None) -> tuple[KindHistory, ...]:
        return tuple(self._kinds.values()) if resource is None else (self._kind(resource),)


def unavailable(_: Operation) -> None:
    """A `before` hook: nothing goes through."""
    raise TransientError("the API server is away")
