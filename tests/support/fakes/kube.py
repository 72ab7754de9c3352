"""The Kubernetes API in memory: a `KubeApi` that the contract suite holds to the real server's behaviour.

Quick enough for property tests, deterministic, and open to faults: lost replies, refused requests, stale lists, hidden
events, compaction, cut watches. Outside writers (a user with kubectl, a controller) use `edit`, `put` and `remove`.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from tests.support.fakes import disruption
from tests.support.fakes import kube_rules as fake_rules
from tests.support.fakes.field_ownership import (
    copy,
    fields_v1,
    is_merge_key,
    merge,
    merge_patch,
    owned_fields,
    remove,
    with_containers,
)
from tests.support.fakes.kube_history import Change, KindHistory, event_for, has_fields, selected
from tests.support.fakes.kube_rules import ApiObject
from zkoperator.errors import ConflictError, FieldError, ForbiddenError, InvalidError, TransientError
from zkoperator.kube.port import (
    PERSISTENT_VOLUME_CLAIMS,
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

Write = Callable[[Manifest | None], Manifest | None]
US = "zkoperator"


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


class FakeKube:
    """One API server.

    Attributes:
        before: called before a request takes effect; what it raises is the answer, and nothing happened.
        after: called after a request took effect; what it raises replaces the answer: a lost reply.
        hide: an event for which this returns True is never sent to any watch.
        missing_kinds: plurals of kinds that are not installed.
        terminating: namespaces in which nothing can be created any more.
        rigid_classes: StorageClasses that cannot expand volumes.
        operations: every request so far, refused ones included.
    """

    def __init__(self) -> None:
        self.before: Hook = lambda _: None
        self.after: Hook = lambda _: None
        self.hide: Callable[[Resource, WatchEvent], bool] = lambda _resource, _event: False
        self.missing_kinds: set[str] = set()
        self.terminating: set[str] = set()
        self.rigid_classes: set[str] = set()
        self.now = "2026-01-01T00:00:00Z"
        self.operations: list[Operation] = []
        self._kinds: defaultdict[str, KindHistory] = defaultdict(KindHistory)
        self._version = 100
        self._uids = 0

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
        _require(known, None, resource_version)
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
        _require(known, uid, resource_version)
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

    def peek(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """Return a copy of the object without being an operation."""
        known = self._kind(resource).objects.get((namespace, name))
        return None if known is None else copy(known.manifest)

    def every(self, resource: Resource) -> tuple[Manifest, ...]:
        """Return copies of all objects of the kind."""
        return tuple(copy(known.manifest) for known in self._kind(resource).objects.values())

    def put(self, resource: Resource, manifest: Manifest, *, manager: str = "kubectl-create") -> Manifest:
        """Create an object as somebody else; `status` is kept, as if its controller had written it already."""
        namespace = manifest["metadata"].get("namespace", "")
        created = self._create(resource, namespace, manifest, manager=manager, operation="Update")
        if "status" in manifest and "status" not in created:
            return self.edit(
                resource, namespace, created["metadata"]["name"], {"status": manifest["status"]}, subresource="status"
            )
        return created

    def edit(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Manifest,
        *,
        subresource: str = "",
        manager: str = "kubectl-edit",
    ) -> Manifest:
        """Merge-patch an object as somebody else."""
        known = self._kind(resource).objects[(namespace, name)]
        return self._replace(resource, known, merge_patch(known.manifest, patch), subresource, manager=manager)

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

    def collect_garbage(self) -> None:
        """Do what the garbage collector does: delete whatever has owners, all of which are gone."""
        while True:
            alive = {known.uid for kind in self._kinds.values() for known in kind.objects.values()}
            orphans = [
                known for kind in self._kinds.values() for known in kind.objects.values() if known.is_orphan(alive)
            ]
            if not orphans:
                return
            for orphan in orphans:
                self._delete(orphan.resource, orphan)

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

    def _kind(self, resource: Resource) -> KindHistory:
        return self._kinds[f"{resource.plural}.{resource.group}"]

    def _chosen(self, resource: Resource | None) -> tuple[KindHistory, ...]:
        return tuple(self._kinds.values()) if resource is None else (self._kind(resource),)

    def _listing(self, resource: Resource) -> Listing:
        objects = self._kind(resource).objects
        return Listing(tuple(objects[key].manifest for key in sorted(objects)), str(self._version))

    def _create(
        self, resource: Resource, namespace: str, manifest: Manifest, *, manager: str, operation: str
    ) -> Manifest:
        name = manifest["metadata"]["name"]
        if (namespace, name) in self._kind(resource).objects:
            raise ConflictError(f'{resource.plural} "{name}" already exists')
        known = self._new(resource, namespace, manifest)
        known.claim(manager, operation, set(owned_fields(known.manifest)))
        return self._commit(known, None)

    def _new(self, resource: Resource, namespace: str, manifest: Manifest) -> ApiObject:
        if namespace in self.terminating:
            raise ForbiddenError(f"may not create {resource.plural}: namespace {namespace} is being terminated")
        if manifest["metadata"].get("namespace", namespace) != namespace:
            raise InvalidError((FieldError(resource.kind, "the namespace of the object does not match the request"),))
        fresh = fake_rules.admit(resource, manifest, None, subresource="")
        self._uids += 1
        fresh["metadata"] |= {
            "uid": f"00000000-0000-4000-8000-{self._uids:012d}",
            "creationTimestamp": self.now,
        } | ({"namespace": namespace} if resource.namespaced else {})
        if fake_rules.has_generation(resource):
            fresh["metadata"]["generation"] = 1
        return ApiObject(resource, fresh)

    def _apply(
        self, resource: Resource, namespace: str, manifest: Manifest, subresource: str, *, dry_run: bool
    ) -> Manifest:
        known = self._kind(resource).objects.get((namespace, manifest["metadata"]["name"]))
        metadata = manifest["metadata"]
        if known is None:
            if metadata.get("uid") is not None or subresource:
                raise ConflictError(f'{resource.plural} "{metadata["name"]}": no existing object was found')
            created = self._new(resource, namespace, manifest)
            created.claim(US, "Apply", set(owned_fields(manifest)))
            return copy(created.manifest) if dry_run else self._commit(created, None)
        _require(known, metadata.get("uid"), metadata.get("resourceVersion"))
        claimed = set(owned_fields(fake_rules.admitted_part(resource, manifest, subresource)))
        desired = copy(known.manifest)
        left = known.exclusively_owned(US, "Apply", subresource) - with_containers(claimed)
        for path in sorted(left, key=is_merge_key):
            remove(desired, path)
        return self._replace(
            resource,
            known,
            merge(desired, manifest),
            subresource,
            manager=US,
            operation="Apply",
            claimed=claimed,
            dry_run=dry_run,
        )

    def _replace(
        self,
        resource: Resource,
        known: ApiObject,
        desired: Manifest,
        subresource: str,
        *,
        manager: str,
        operation: str = "Update",
        claimed: set[tuple[str, ...]] | None = None,
        dry_run: bool = False,
    ) -> Manifest:
        """Store a new state of the object, unless nothing changed; ownership follows the changed fields."""
        _require(known, desired["metadata"].get("uid"), desired["metadata"].get("resourceVersion"))
        after = known.successor(fake_rules.admit(resource, desired, known.manifest, subresource))
        if resource is PERSISTENT_VOLUME_CLAIMS:
            self._admit_size(known.manifest, after.manifest)
        changed = after.changed_fields(known)
        if claimed is None:
            after.claim(manager, operation, changed, subresource, keep=True)
        else:
            after.claim(manager, operation, claimed, subresource, contested=changed)
        if dry_run or after.same_as(known):
            return copy(known.manifest if after.same_as(known) else after.manifest)
        if fake_rules.has_generation(resource) and fake_rules.wants_generation(known.manifest, after.manifest):
            after.manifest["metadata"]["generation"] += 1
        return self._commit(after, known)

    def _commit(self, after: ApiObject, before: ApiObject | None) -> Manifest:
        self._version += 1
        metadata = after.manifest["metadata"]
        metadata["resourceVersion"] = str(self._version)
        metadata["managedFields"] = after.managed_fields(fields_v1)
        kind = self._kind(after.resource)
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            del kind.objects[after.key]
            self._log(kind, "DELETED", before, after)
        else:
            kind.objects[after.key] = after
            self._log(kind, "MODIFIED" if before else "ADDED", before, after)
        return copy(after.manifest)

    def _admit_size(self, before: Manifest, after: Manifest) -> None:
        class_name = (after.get("spec") or {}).get("storageClassName")
        if class_name in self.rigid_classes and fake_rules.requested(before) != fake_rules.requested(after):
            raise ForbiddenError(
                f"may not patch {after['metadata']['name']}: only dynamically provisioned pvc can be resized and the "
                "storageclass that provisions the pvc must support resize"
            )

    def _let_go(self, uid: str) -> None:
        """Do what the garbage collector does for an owner that is deleted without what it owns."""
        for known in [known for kind in self._kinds.values() for known in kind.objects.values()]:
            owners = known.manifest["metadata"].get("ownerReferences") or []
            kept = [owner for owner in owners if owner["uid"] != uid]
            if kept != owners:
                patch: Manifest = {"metadata": {"ownerReferences": kept}}
                namespace, name = known.key
                self.edit(known.resource, namespace, name, patch, manager="kube-controller-manager")

    def _delete(self, resource: Resource, known: ApiObject) -> None:
        if known.manifest["metadata"].get("finalizers"):
            if not known.manifest["metadata"].get("deletionTimestamp"):
                marked = known.successor(copy(known.manifest))
                marked.manifest["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
                self._commit(marked, known)
            return
        kind = self._kind(resource)
        self._version += 1
        del kind.objects[known.key]
        last = known.successor(copy(known.manifest))
        last.manifest["metadata"]["resourceVersion"] = str(self._version)
        self._log(kind, "DELETED", known, last)

    def _log(self, kind: KindHistory, type_: str, before: ApiObject | None, after: ApiObject) -> None:
        kind.log.append(Change(self._version, type_, before.manifest if before else None, after.manifest))
        kind.stir()


def _require(known: ApiObject, uid: str | None, version: str | None) -> None:
    metadata = known.manifest["metadata"]
    if uid is not None and uid != metadata["uid"]:
        raise ConflictError(f"precondition failed: the uid is {metadata['uid']}")
    if version is not None and version != metadata["resourceVersion"]:
        raise ConflictError(f"precondition failed: the resourceVersion is {metadata['resourceVersion']}")


def unavailable(_: Operation) -> None:
    """A `before` hook: nothing goes through."""
    raise TransientError("the API server is away")
