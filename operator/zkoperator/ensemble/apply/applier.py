"""Carries out the steps of a plan by writes to Kubernetes. I/O.

Every write is conditional on what was observed, because it may arrive after the process that sent it has ended. Before
every step that removes something, the cluster and the objects concerned are read again.
"""

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import assert_never

from zkoperator.ensemble.apply.certificates import CertificateWriter
from zkoperator.ensemble.apply.reconfigurer import Reconfigurer
from zkoperator.ensemble.apply.recovery import RecoveryWriter, begun
from zkoperator.ensemble.apply.volumes import VolumeWriter
from zkoperator.ensemble.build.discovery import binding, encoded
from zkoperator.ensemble.build.secret import secret
from zkoperator.ensemble.model.names import ENSEMBLE, MEMBERSHIP, is_observer, selector_text
from zkoperator.ensemble.observe.node_view import MemberNode, state_of
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.ownership import NOT_OURS, Owner, is_orphan, owner_of
from zkoperator.ensemble.observe.pod_view import PodView, Running, pod_view
from zkoperator.ensemble.plan.drift import covers, edit_of, repair_patch
from zkoperator.ensemble.plan.refused_step import ForeignObjectError
from zkoperator.ensemble.plan.steps import (
    ApplyChild,
    CertificateStep,
    CreateSecret,
    DeleteClaim,
    LabelPod,
    NoteOnClaim,
    PlainStep,
    Reconfigure,
    RecordBootstrap,
    RecoveryStep,
    RemoveChild,
    RemovePods,
    ReplaceVolume,
    RestartPod,
    Step,
    VolumeStep,
    WriteBinding,
)
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.errors import ConflictError, UnsafeError
from zkoperator.kube.port import (
    CONFIG_MAPS,
    NO_VERSION,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SECRETS,
    STATEFUL_SETS,
    ZOOKEEPER_CLUSTERS,
    KubeApi,
    Manifest,
    ManyBudgetsError,
    Resource,
)
from zkoperator.runtime.wall_clock import utc_now

_PASSWORD_BYTES = 24


class Applier:
    """Executes the steps of a plan in their order.

    Args:
        api: the Kubernetes API.
        reconfigurer: reads and changes the committed configuration.
        wall: the time at which certificates begin.
    """

    def __init__(self, api: KubeApi, reconfigurer: Reconfigurer, wall: Callable[[], datetime] = utc_now) -> None:
        self._api = api
        self._reconfigurer = reconfigurer
        self._certificates = CertificateWriter(api, wall=wall)
        self._recovery = RecoveryWriter(api)
        self._volumes = VolumeWriter(api)

    async def apply(self, cluster: ValidatedCluster, observed: Observed, step: Step) -> str:
        """Execute one step. After any error the cluster must be observed again before the next step.

        Returns how it was done where that is worth telling, else nothing.
        """
        if isinstance(step, CertificateStep):
            await self._certificates.apply(cluster, step)
            return ""
        if isinstance(step, RecoveryStep):
            await self._recovery.apply(cluster, step)
            return ""
        if isinstance(step, WriteBinding):
            await self._write_binding(cluster, step)
            return ""
        if isinstance(step, RemoveChild):
            await self._remove_child(cluster, step)
            return ""
        if isinstance(step, ReplaceVolume):
            return await self._replace_volume(cluster, observed, step)
        if isinstance(step, VolumeStep):
            await self._require_unchanged_cluster(cluster)
            await self._volumes.apply(cluster, step)
            return ""
        return await self._change_members(cluster, observed, step)

    async def _change_members(self, cluster: ValidatedCluster, observed: Observed, step: PlainStep) -> str:
        match step:
            case RecordBootstrap():
                await self._record(cluster, observed, step)
            case CreateSecret():
                await self._create_secret(cluster)
            case ApplyChild():
                return await self._apply_child(cluster, observed, step)
            case NoteOnClaim():
                await self._annotate_claim(cluster, step)
            case DeleteClaim():
                await self._delete_claim(cluster, observed, step)
            case Reconfigure():
                await self._require_unchanged_cluster(cluster)
                await self._reconfigurer.change(cluster, observed, step)
            case RemovePods():
                await self._remove_pods(cluster, observed, step)
            case LabelPod():
                patch: Manifest = {"metadata": {"labels": dict(step.labels)}}
                version, namespace = step.resource_version, cluster.names.namespace
                await self._api.patch(PODS, namespace, step.name, patch, resource_version=version)
            case RestartPod():
                return await self._restart(cluster, observed, step)
            case _:
                assert_never(step)
        return ""

    async def _record(self, cluster: ValidatedCluster, observed: Observed, step: RecordBootstrap) -> None:
        meta = cluster.meta
        bootstrap: Manifest = {"members": step.members, "complete": step.complete}
        if step.ensemble:
            bootstrap["ensemble"] = step.ensemble
        incarnation = {"incarnation": begun(step.incarnation)} if step.incarnation is not None else {}
        if cluster.status.bootstrap is None:
            await self._require_no_contradicting_claim(cluster, observed, step)
        await self._api.patch(
            ZOOKEEPER_CLUSTERS,
            meta.namespace,
            meta.name,
            {"status": {"bootstrap": bootstrap, **incarnation}},
            resource_version=meta.resource_version,
            subresource="status",
        )

    async def _require_no_contradicting_claim(
        self, cluster: ValidatedCluster, observed: Observed, step: RecordBootstrap
    ) -> None:
        """Read the claims again and refuse a record that they contradict, because the record is never changed."""
        listing = await self._api.list(PERSISTENT_VOLUME_CLAIMS, cluster.names.namespace)
        metas = [claim["metadata"] for claim in listing.items]
        named = [meta for meta in metas if cluster.names.member_of_claim(meta["name"]) is not None]
        if any("deletionTimestamp" in meta for meta in named):
            raise ConflictError("a claim is being deleted")
        if step.complete and step.incarnation is None:
            await self._require_own_record(cluster, observed)
            if {claim.uid for claim in observed.claims.values()} - {meta["uid"] for meta in named}:
                raise ConflictError("claims have gone since they were observed")
            return
        labels = selector_text(cluster.names.selector)
        for meta in named:
            if MEMBERSHIP in (meta.get("annotations") or {}):
                raise UnsafeError(
                    f"claim {meta['name']} belonged to an ensemble, so none may be founded; if it has lost its labels "
                    f"({labels}), give them back to take its data up, or delete it"
                )
            if not cluster.names.selector.items() <= (meta.get("labels") or {}).items():
                raise ForeignObjectError(
                    f"claim {meta['name']} was not made for this cluster; delete it, or give it the labels {labels} to "
                    "have its volume used"
                )

    async def _require_own_record(self, cluster: ValidatedCluster, observed: Observed) -> None:
        """If no claim is annotated, refuse a record that rests on a ConfigMap which the operator did not make."""
        if any(claim.membership for claim in observed.claims.values()):
            return
        live = await self._api.get(CONFIG_MAPS, cluster.names.namespace, cluster.names.config_map)
        if live is None:
            raise ConflictError("the ConfigMap of the ensemble has gone since it was observed")
        _refuse_unless_ours(cluster, "ConfigMap", live)

    async def _create_secret(self, cluster: ValidatedCluster) -> None:
        names = cluster.names
        live = await self._api.get(SECRETS, names.namespace, names.secret)
        if live is not None:
            _refuse_unless_ours(cluster, "Secret", live)
            raise ForeignObjectError(
                f"Secret {names.secret} holds no superuser's password that fits its digest; it is never overwritten: "
                "delete it to let the operator make a new one"
            )
        manifest = secret(cluster, secrets.token_urlsafe(_PASSWORD_BYTES))
        await self._api.create(SECRETS, names.namespace, manifest)

    async def _write_binding(self, cluster: ValidatedCluster, step: WriteBinding) -> None:
        namespace, name = cluster.names.namespace, cluster.names.binding
        if step.live is not None:
            patch = {"data": {**encoded(step.entries), **dict.fromkeys(sorted(step.dropped))}}
            await self._api.patch(SECRETS, namespace, name, patch, resource_version=step.live.resource_version)
            return
        live = await self._api.get(SECRETS, namespace, name)
        if live is not None:
            _refuse_unless_ours(cluster, "Secret", live)
        await self._api.create(SECRETS, namespace, binding(cluster, step.entries))

    async def _apply_child(self, cluster: ValidatedCluster, observed: Observed, step: ApplyChild) -> str:
        """Make or repair the child; return whose edit was taken back, empty when none was."""
        resource, manifest, namespace = step.child.resource, step.manifest, cluster.names.namespace
        name, edit = manifest["metadata"]["name"], ""
        live = await self._api.get(resource, namespace, name)
        if step.uid:
            _require_no_stranger(cluster, observed, step, live)
            edit = edit_of(live, manifest) if live is not None else ""
            wanted = _with_metadata(manifest, uid=step.uid, resourceVersion=step.resource_version)
        else:
            if live is not None:
                _refuse_unless_ours(cluster, step.child.title, live)
                await self._restore_labels(resource, live, manifest)
                return ""
            wanted = _with_metadata(manifest, resourceVersion=NO_VERSION)
        applied = await self._api.apply(resource, namespace, wanted)
        if not covers(applied, manifest):
            # Server-side apply keeps fields of other managers; a merge patch removes them.
            patch, version = repair_patch(applied, manifest), applied["metadata"]["resourceVersion"]
            await self._api.patch(resource, namespace, name, patch, resource_version=version)
        return edit

    async def _remove_child(self, cluster: ValidatedCluster, step: RemoveChild) -> None:
        """Delete the child, unless it is somebody else's or the cluster has changed its mind."""
        resource, namespace, name = step.child.resource, cluster.names.namespace, step.child.name_of(cluster.names)
        await self._require_unchanged_cluster(cluster)
        live = await self._api.get(resource, namespace, name)
        if live is None or live["metadata"]["uid"] != step.uid:
            raise ConflictError(f"{step.child.title} {name} has gone since it was observed")
        _refuse_unless_ours(cluster, step.child.title, live)
        await self._api.delete(resource, namespace, name, uid=step.uid, resource_version=step.resource_version)

    async def _restore_labels(self, resource: Resource, live: Manifest, manifest: Manifest) -> None:
        """Restore the labels of a child that was not observed because informers select by them."""
        meta, labels = live["metadata"], manifest["metadata"]["labels"]
        if labels.items() <= (meta.get("labels") or {}).items():
            raise ConflictError(f"{resource.kind} {meta['name']} is there, and was not observed yet")
        patch, version = {"metadata": {"labels": labels}}, meta["resourceVersion"]
        await self._api.patch(resource, meta["namespace"], meta["name"], patch, resource_version=version)

    async def _annotate_claim(self, cluster: ValidatedCluster, step: NoteOnClaim) -> None:
        await self._require_unchanged_cluster(cluster)
        live = await self._api.get(PERSISTENT_VOLUME_CLAIMS, cluster.names.namespace, step.claim.name)
        if live is None or live["metadata"]["uid"] != step.claim.uid:
            raise ConflictError(f"claim {step.claim.name} has been replaced")
        others = [ref for ref in live["metadata"].get("ownerReferences") or () if ref["uid"] != cluster.meta.uid]
        notes = {MEMBERSHIP: step.membership, ENSEMBLE: step.ensemble}
        metadata = {
            "annotations": {key: note for key, note in notes.items() if note},
            "ownerReferences": [*others, cluster.plain_owner] if step.owned else others,
        }
        await self._api.patch(
            PERSISTENT_VOLUME_CLAIMS,
            cluster.names.namespace,
            step.claim.name,
            {"metadata": metadata},
            resource_version=live["metadata"]["resourceVersion"],
        )

    async def _delete_claim(self, cluster: ValidatedCluster, observed: Observed, step: DeleteClaim) -> None:
        claim = step.claim
        await self._require_unchanged_cluster(cluster)
        await self._reconfigurer.confirm_absent(cluster, observed, (claim.member,))
        if await self._api.get(PODS, cluster.names.namespace, cluster.names.pod(claim.member)) is not None:
            raise ConflictError(f"claim {claim.name} is in use")
        await self._api.delete(
            PERSISTENT_VOLUME_CLAIMS,
            cluster.names.namespace,
            claim.name,
            uid=claim.uid,
            resource_version=claim.resource_version,
        )

    async def _remove_pods(self, cluster: ValidatedCluster, observed: Observed, step: RemovePods) -> None:
        await self._require_unchanged_cluster(cluster)
        await self._reconfigurer.confirm_absent(cluster, observed, step.removed)
        manifest = _with_metadata(step.manifest, uid=step.uid, resourceVersion=step.resource_version)
        await self._api.apply(STATEFUL_SETS, cluster.names.namespace, manifest)

    async def _restart(self, cluster: ValidatedCluster, observed: Observed, step: RestartPod) -> str:
        # The two reads do not depend on one another. The eviction comes after both.
        _, version = await asyncio.gather(
            self._require_unchanged_cluster(cluster), self._require_unchanged_pods(cluster, observed, step.member)
        )
        if step.lost_node:
            await self._require_lost(step)
        why = step.unguarded or await self._evict(cluster, step, version)
        if why:
            grace_s = 0 if step.lost_node else None
            where = PODS, cluster.names.namespace, step.name
            await self._api.delete(*where, uid=step.uid, resource_version=version, grace_period_s=grace_s)
        return f"deleted rather than evicted: {why}" if why else ""

    async def _replace_volume(self, cluster: ValidatedCluster, observed: Observed, step: ReplaceVolume) -> str:
        """Delete the claim first: a pod that ended before would be made again with the old volume."""
        await asyncio.gather(
            self._require_unchanged_cluster(cluster),
            self._require_unchanged_pods(cluster, observed, step.claim.member),
        )
        await self._volumes.delete(cluster, step.claim)
        return await self._restart(cluster, observed, step.restart) if step.restart is not None else ""

    async def _evict(self, cluster: ValidatedCluster, step: RestartPod, version: str) -> str:
        """Evict the pod. Returns why nobody at all can evict it, in which case it is still there."""
        try:
            await self._api.evict(cluster.names.namespace, step.name, uid=step.uid, resource_version=version)
        except ManyBudgetsError:
            return "more than one PodDisruptionBudget covers it (kubectl get pdb), which lets no eviction pass"
        return ""

    async def _require_lost(self, step: RestartPod) -> None:
        """Refuse to delete a pod by force unless its node is still gone or out of service."""
        state = state_of(await self._api.get(NODES, "", step.lost_node))
        if not MemberNode(step.lost_node, state).is_lost:
            raise ConflictError(f"node {step.lost_node} {state.value}")

    async def _require_unchanged_cluster(self, cluster: ValidatedCluster) -> None:
        """Refuse the step if the cluster has been changed, replaced or deleted since it was read."""
        live = await self._api.get(ZOOKEEPER_CLUSTERS, cluster.meta.namespace, cluster.meta.name)
        meta = live["metadata"] if live is not None else {}
        same = meta.get("uid") == cluster.meta.uid and meta.get("generation") == cluster.meta.generation
        if not same or "deletionTimestamp" in meta:
            raise ConflictError("the cluster has changed since it was observed")

    async def _require_unchanged_pods(self, cluster: ValidatedCluster, observed: Observed, restarted: int) -> str:
        """Refuse the step if any pod differs from the informer's snapshot, on which the gate decided.

        Returns the resourceVersion of the pod to delete.
        """
        # The restart of an observer rests on no voter.
        voters = frozenset() if is_observer(restarted) else observed.voters
        names, members = cluster.names, sorted(voters | {restarted})
        found = await asyncio.gather(*(self._api.get(PODS, names.namespace, names.pod(member)) for member in members))
        live = dict(zip(members, found, strict=True))
        for member, manifest in live.items():
            now = pod_view(member, manifest) if manifest is not None else None
            if _gate_facts(now) != _gate_facts(observed.pod(member)):
                raise ConflictError(f"pod {names.pod(member)} has changed since it was observed")
        going = live[restarted]
        return going["metadata"]["resourceVersion"] if going is not None else ""


def _gate_facts(pod: PodView | None) -> tuple[str, str, bool, Running, bool] | None:
    return (pod.uid, pod.ip, pod.deleting, pod.running, pod.ready) if pod is not None else None


def _require_no_stranger(
    cluster: ValidatedCluster, observed: Observed, step: ApplyChild, live: Manifest | None
) -> None:
    """Refuse an object without an owner unless the operator made it, which only the live object says."""
    known = observed.children.get(step.child)
    if known is None or owner_of(cluster, known) is Owner.US:
        return
    if live is None or live["metadata"]["resourceVersion"] != step.resource_version:
        raise ConflictError(f"{step.child.title} {known['metadata']['name']} has changed since it was observed")
    _refuse_unless_ours(cluster, step.child.title, live)


def _with_metadata(manifest: Manifest, **fields: str) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], **fields}}


def _refuse_unless_ours(cluster: ValidatedCluster, kind: str, live: Manifest) -> None:
    name = live["metadata"]["name"]
    match owner_of(cluster, live):
        case Owner.US:
            return
        case Owner.PREDECESSOR:
            raise ConflictError(f"{kind} {name} of the earlier cluster is still there")
        case Owner.NOBODY if is_orphan(cluster, live):
            return
        case _:
            raise ForeignObjectError(f"{kind} {name} {NOT_OURS}")
