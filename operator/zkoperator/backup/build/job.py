"""The Jobs: the operator's own image, without rights in Kubernetes, with an order in one variable of its container."""

from dataclasses import dataclass
from typing import Final

from zkoperator.api.backup_storage import BackupStorage, S3Storage
from zkoperator.api.backup_storage import Verification as Asked
from zkoperator.api.meta import API_VERSION
from zkoperator.backup.build.drill import DRILL, Server, server_container
from zkoperator.backup.model.access import Access
from zkoperator.backup.model.names import BACKUP_LABEL, LABELS, attempt_job, deletion_job, drill_job
from zkoperator.backup.order import (
    S3,
    VARIABLE,
    BackupOrder,
    Cluster,
    DeleteOrder,
    DrillOrder,
    Folder,
    LoginFiles,
    Order,
    Source,
    Store,
    TlsFiles,
    Verification,
    directory_of,
    order_to_json,
)
from zkoperator.backup.validate import ValidatedBackup
from zkoperator.kube.port import Manifest

_VERIFIED: Final = {
    Asked.NONE: Verification.NONE,
    Asked.STRUCTURE: Verification.STRUCTURE,
    Asked.DRILL: Verification.STRUCTURE,
}
"""What the Job that takes a backup does of the verification. A drill is a Job of its own."""
CONTAINER: Final = "backup"
DEADLINE_S: Final = 3 * 3600
"""A Job that takes longer fails by itself, and says where it was."""
END_S: Final = 600
"""Seconds after its deadline at which Kubernetes ends the Job, also one whose pod never started."""
_DELETION_DEADLINE_S: Final = 600
_DRILL_DEADLINE_S: Final = 3600
_SCRATCH_SIZE: Final = "20Gi"
USER: Final = 65532
"""Owner of what Jobs store in claims."""
_ROOT: Final = "/backup"
_STORE, _LOGIN, _AUTHORITIES, _IDENTITY = (f"{_ROOT}/{name}" for name in ("store", "login", "authorities", "identity"))
_S3_CREDENTIALS, _S3_AUTHORITY = (f"{_ROOT}/{name}" for name in ("s3-credentials", "s3-authority"))


@dataclass(frozen=True, slots=True)
class Mount:
    """One volume and where the container sees it."""

    name: str
    path: str
    volume: Manifest
    read_only: bool = True


def backup_job(
    backup: ValidatedBackup, attempt: int, access: Access, image: str, *, previous: str | None = None
) -> Manifest:
    """Return the Job that takes the backup.

    Args:
        backup: what to take.
        attempt: number of this Job, from 1.
        access: to the ensemble.
        image: of the operator.
        previous: location of an earlier backup in the same storage, None when there is none.
    """
    store, mounts = stored(backup.spec.storage)
    order = BackupOrder(
        uid=backup.meta.uid,
        source=_source(access),
        store=store,
        directory=directory(backup, access.cluster),
        verification=_VERIFIED[backup.spec.verification],
        previous=previous,
        deadline_s=DEADLINE_S,
    )
    name = attempt_job(backup.meta.name, attempt)
    return _job(backup, name, order, (*_access_mounts(access), *mounts), image, DEADLINE_S + END_S)


def delete_job(backup: ValidatedBackup, image: str) -> Manifest:
    """Return the Job that deletes the data of the backup."""
    store, mounts = stored(backup.spec.storage)
    order = DeleteOrder(
        uid=backup.meta.uid,
        store=store,
        directory=backup.status.directory,
        deadline_s=_DELETION_DEADLINE_S - 60,
    )
    return _job(backup, deletion_job(backup.meta.name), order, mounts, image, _DELETION_DEADLINE_S)


def drill_job_of(backup: ValidatedBackup, image: str, server: Server) -> Manifest:
    """Return the Job that has a server start from the backup.

    Args:
        backup: a complete one.
        image: of the operator.
        server: the other container, which becomes the server.
    """
    store, mounts = stored(backup.spec.storage)
    order = DrillOrder(store, backup.status.location, DRILL, deadline_s=_DRILL_DEADLINE_S)
    shared = Mount("drill", DRILL, {"emptyDir": {"sizeLimit": _SCRATCH_SIZE}}, read_only=False)
    made = _job(backup, drill_job(backup.meta.name), order, (*mounts, shared), image, _DRILL_DEADLINE_S + END_S)
    pod = made["spec"]["template"]["spec"]
    pod["initContainers"] = [server_container(server, backup.status.bytes)]
    if server.pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in server.pull_secrets]
    return made


def directory(backup: ValidatedBackup, cluster: Cluster | None) -> str:
    """Return the directory of the backup in its storage. The uid keeps ensembles of one name apart."""
    if cluster is None:
        return directory_of(backup.meta.namespace, backup.meta.name, backup.meta.uid)
    return directory_of(cluster.namespace, cluster.name, cluster.uid)


def _source(access: Access) -> Source:
    tls, login = None, None
    if access.trust is not None:
        identity = f"{_IDENTITY}/operator.pem" if access.trust.identity_secret is not None else None
        tls = TlsFiles(f"{_AUTHORITIES}/ca.crt", identity)
    if access.credentials is not None:
        login = LoginFiles(f"{_LOGIN}/username", f"{_LOGIN}/password")
    return Source(access.hosts, access.cluster, tls=tls, login=login)


def stored(storage: BackupStorage) -> tuple[Store, tuple[Mount, ...]]:
    """Return the store as a Job sees it, and what its pod mounts for it."""
    if storage.s3 is not None:
        return _bucket(storage.s3)
    claim = storage.persistent_volume_claim
    volume = {"persistentVolumeClaim": {"claimName": claim.claim_name if claim is not None else ""}}
    return Folder(_STORE), (Mount("store", _STORE, volume, read_only=False),)


def _bucket(s3: S3Storage) -> tuple[Store, tuple[Mount, ...]]:
    credentials = {"secret": {"secretName": s3.credentials_secret, "defaultMode": 0o440}}
    mounts = [Mount("s3-credentials", _S3_CREDENTIALS, credentials)]
    if s3.ca_secret is not None:
        mounts.append(_secret("s3-authority", _S3_AUTHORITY, s3.ca_secret, "ca.crt"))
    store = S3(
        bucket=s3.bucket,
        prefix=s3.prefix,
        endpoint=s3.endpoint or "",
        region=s3.region or "",
        server_side_encryption=s3.server_side_encryption or "",
        kms_key_id=s3.kms_key_id or "",
        credentials=_S3_CREDENTIALS,
        authority=f"{_S3_AUTHORITY}/ca.crt" if s3.ca_secret is not None else None,
    )
    return store, tuple(mounts)


def _access_mounts(access: Access) -> tuple[Mount, ...]:
    """Return the files that the Job needs, and no other key of their Secrets: one of them has keys of authorities."""
    mounts: list[Mount] = []
    if access.credentials is not None:
        mounts.append(_secret("login", _LOGIN, access.credentials, "username", "password"))
    if access.trust is not None:
        items = [{"key": "ca.crt", "path": "ca.crt"}]
        volume: Manifest = {"configMap": {"name": access.trust.config_map, "items": items}}
        mounts.append(Mount("authorities", _AUTHORITIES, volume))
        if access.trust.identity_secret is not None:
            mounts.append(_secret("identity", _IDENTITY, access.trust.identity_secret, "operator.pem"))
    return tuple(mounts)


def _secret(name: str, path: str, secret: str, *keys: str) -> Mount:
    items = [{"key": key, "path": key} for key in keys]
    return Mount(name, path, {"secret": {"secretName": secret, "items": items, "defaultMode": 0o440}})


def _job(
    backup: ValidatedBackup, name: str, order: Order, mounts: tuple[Mount, ...], image: str, limit_s: int
) -> Manifest:
    labels = {**LABELS, BACKUP_LABEL: backup.meta.name}
    metadata = {"name": name, "labels": labels, "ownerReferences": [_owner(backup)]}
    return job_manifest(metadata, pod_of(order, mounts, image), limit_s)


def job_manifest(metadata: Manifest, pod: Manifest, limit_s: int) -> Manifest:
    """Return a Job.

    Args:
        metadata: of the Job. Its pod has the same labels.
        pod: the pod's spec.
        limit_s: Kubernetes ends the Job then.
    """
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            # The operator decides whether there is another attempt, and that one has another name.
            "backoffLimit": 0,
            "activeDeadlineSeconds": limit_s,
            "template": {"metadata": {"labels": metadata["labels"]}, "spec": pod},
        },
    }


def _owner(backup: ValidatedBackup) -> Manifest:
    meta = backup.meta
    return {
        "apiVersion": API_VERSION,
        "kind": "ZooKeeperBackup",
        "name": meta.name,
        "uid": meta.uid,
        "controller": True,
    }


def pod_of(order: Order, mounts: tuple[Mount, ...], image: str) -> Manifest:
    """Return the spec of a pod that carries out the order, without rights in Kubernetes."""
    volumes = [{"name": mount.name, **mount.volume} for mount in mounts]
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [*volumes, {"name": "scratch", "emptyDir": {"sizeLimit": _SCRATCH_SIZE}}],
        "containers": [_container(order, mounts, image)],
    }


def _container(order: Order, mounts: tuple[Mount, ...], image: str) -> Manifest:
    seen = [{"name": mount.name, "mountPath": mount.path, "readOnly": mount.read_only} for mount in mounts]
    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["backup-job"],
        "env": [{"name": VARIABLE, "value": order_to_json(order)}],
        "volumeMounts": [*seen, {"name": "scratch", "mountPath": "/tmp"}],  # noqa: S108 - a volume of the pod alone
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
