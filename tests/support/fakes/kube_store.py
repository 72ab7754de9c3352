"""What an API server does to the objects that it stores: versions, owners of fields, finalizers, garbage."""

from collections import defaultdict

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
from tests.support.fakes.kube_history import Change, KindHistory
from tests.support.fakes.kube_rules import ApiObject
from zkoperator.errors import ConflictError, FieldError, ForbiddenError, InvalidError
from zkoperator.kube.port import PERSISTENT_VOLUME_CLAIMS, Listing, Manifest, Resource

US = "zkoperator"


class StoredObjects:
    """The objects of all kinds, and how a request changes them.

    Attributes:
        terminating: namespaces in which nothing can be created any more.
        rigid_classes: StorageClasses that cannot expand volumes.
        now: the time at which objects are created.
    """

    def __init__(self) -> None:
        self.terminating: set[str] = set()
        self.rigid_classes: set[str] = set()
        self.now = "2026-01-01T00:00:00Z"
        self._kinds: defaultdict[str, KindHistory] = defaultdict(KindHistory)
        self._version = 100
        self._uids = 0

    def peek(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """Return a copy of the object without being an operation."""
        known = self._kind(resource).objects.get((namespace, name))
        return None if known is None else copy(known.manifest)

    def every(self, resource: Resource) -> tuple[Manifest, ...]:
        """Return copies of all objects of the kind."""
        return tuple(copy(known.manifest) for known in self._kind(resource).objects.values())

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

    def _kind(self, resource: Resource) -> KindHistory:
        return self._kinds[f"{resource.plural}.{resource.group}"]

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
        require_preconditions(known, metadata.get("uid"), metadata.get("resourceVersion"))
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
        require_preconditions(known, desired["metadata"].get("uid"), desired["metadata"].get("resourceVersion"))
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

    def _let_go(self, uid: str) -> None:
        """Do what the garbage collector does for an owner that is deleted without what it owns."""
        for known in [known for kind in self._kinds.values() for known in kind.objects.values()]:
            owners = known.manifest["metadata"].get("ownerReferences") or []
            kept = [owner for owner in owners if owner["uid"] != uid]
            if kept != owners:
                patch: Manifest = {"metadata": {"ownerReferences": kept}}
                namespace, name = known.key
                self.edit(known.resource, namespace, name, patch, manager="kube-controller-manager")


def require_preconditions(known: ApiObject, uid: str | None, version: str | None) -> None:
    metadata = known.manifest["metadata"]
    if uid is not None and uid != metadata["uid"]:
        raise ConflictError(f"precondition failed: the uid is {metadata['uid']}")
    if version is not None and version != metadata["resourceVersion"]:
        raise ConflictError(f"precondition failed: the resourceVersion is {metadata['resourceVersion']}")
