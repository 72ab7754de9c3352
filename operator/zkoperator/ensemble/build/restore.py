"""What a restore makes: two Jobs, the claim of a seed that has none yet, and the copy of the data that is given up."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from zkoperator.api.meta import API_VERSION
from zkoperator.backup.build.job import DEADLINE_S, END_S, USER, Mount, job_manifest, pod_of, stored
from zkoperator.backup.model.names import LABELS
from zkoperator.backup.order import VerifyOrder
from zkoperator.ensemble.build.pod_extras import security_context
from zkoperator.ensemble.build.statefulset import claim_template, placement
from zkoperator.ensemble.model.names import RESTORE
from zkoperator.ensemble.model.restore import Source, check_job, fetch_job
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest

_DATA: Final = "/data"
_KEPT_S: Final = 3600
"""Seconds for which Kubernetes keeps a Job that has ended, for its log."""
_LONGEST_BEGIN: Final = 38
"""A ZooKeeperBackup has a name of at most 56 characters."""


def job_labels(cluster: ValidatedCluster) -> dict[str, str]:
    """Return the labels of the Jobs of restores, and of their pods."""
    return {**LABELS, RESTORE: cluster.meta.name}


def safety_label(cluster: ValidatedCluster) -> dict[str, str]:
    """Return the label of the copies that are taken before restores."""
    return {RESTORE: cluster.meta.name}


def checking(cluster: ValidatedCluster, approved: str, source: Source, image: str) -> Manifest:
    """Return the Job that reads the backup to its end, and leaves everything as it is."""
    store, mounts = stored(source.storage)
    order = VerifyOrder(store, source.location, deadline_s=DEADLINE_S)
    metadata = _metadata(cluster, check_job(cluster.meta.name, approved, source))
    return job_manifest(metadata, pod_of(order, _read_only(mounts), image), DEADLINE_S + END_S)


def fetching(cluster: ValidatedCluster, seed: int, epoch: int, source: Source, image: str) -> Manifest:
    """Return the Job that puts the backup on the volume of a member, beside the data that is there.

    It runs where the member may run, with its volume. It is the same user as the Jobs that store backups, in the
    group of the member, which takes the file from it.
    """
    store, mounts = stored(source.storage)
    order = VerifyOrder(store, source.location, target=f"{_DATA}/restore/{epoch}", deadline_s=DEADLINE_S)
    claim = {"persistentVolumeClaim": {"claimName": cluster.names.claim(seed)}}
    data = Mount("data", _DATA, claim, read_only=False)
    pod = pod_of(order, (*_read_only(mounts), data), image) | placement(cluster)
    pod["securityContext"] = {**pod["securityContext"], **_user(cluster)}
    metadata = _metadata(cluster, fetch_job(cluster.meta.name, epoch, source))
    job = job_manifest(metadata, pod, DEADLINE_S + END_S)
    job["spec"]["ttlSecondsAfterFinished"] = _KEPT_S
    return job


def seed_claim(cluster: ValidatedCluster, seed: int) -> Manifest:
    """Return the claim of a member, as the StatefulSet would make it."""
    template = claim_template(cluster)
    metadata = {**template["metadata"], "name": cluster.names.claim(seed)}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": template["spec"]}


def safety_copy(cluster: ValidatedCluster, approved: str, source: Source, now: datetime) -> Manifest:
    """Return the ZooKeeperBackup that is taken before the restore. Nobody owns it: it outlives the cluster."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ZooKeeperBackup",
        "metadata": {
            "name": f"{cluster.meta.name[:_LONGEST_BEGIN].rstrip('-')}-{now:%Y%m%dt%H%M%S}",
            "labels": safety_label(cluster),
            "annotations": {RESTORE: approved},
        },
        "spec": {"clusterRef": {"name": cluster.meta.name}, "storage": source.storage.manifest()},
    }


def _metadata(cluster: ValidatedCluster, name: str) -> Manifest:
    return {"name": name, "labels": job_labels(cluster), "ownerReferences": [cluster.owner]}


def _read_only(mounts: Sequence[Mount]) -> tuple[Mount, ...]:
    return tuple(replace(mount, read_only=True) for mount in mounts)


def _user(cluster: ValidatedCluster) -> dict[str, Any]:
    """Return user and groups. Who names a user for the members names that of the Job as well."""
    context = security_context(cluster.spec.pod)
    return context if cluster.spec.pod.security_context is not None else {**context, "runAsUser": USER}
