"""What the operator asks a backup Job to do, and what the Job answers. Pure.

The order is the value of one environment variable of the Job's container, the result is its termination message. Both
are JSON. An order names files, in which the kubelet puts what is secret; neither of the two holds a secret itself.

A Job's container runs `python -m zkoperator backup-job`. It needs a writable directory for temporary files, as large as
twice the tree, and some 256 MiB of memory. No two containers of one Job may run at a time (`podReplacementPolicy:
Failed`). One that is started again finds the backup that an earlier one has finished.

A *location* is where a backup is below its store: `<directory>/<time>-<zxid>`, with the store's prefix in front of it
in the bucket. It holds the snapshot file and `manifest.json`. A backup exists when its manifest does.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from zkoperator.backup.records import from_json, to_json

VARIABLE: Final = "ZKOPERATOR_BACKUP_ORDER"
RESULT_FILE: Final = "/dev/termination-log"
RESULT_LIMIT_BYTES: Final = 4096
"""The kubelet keeps no more of a termination message."""

_MESSAGE_LIMIT_BYTES: Final = 1500
"""What is left of it after its control characters are replaced at most doubles in JSON, by `\"` and `\\\\`."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The ZooKeeperCluster of a backup. One that was made anew under the same name has another uid."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """TLS towards the ensemble: files in PEM.

    `identity` is a key with its certificates, None where none is shown. `names` has, for each host that is dialled, the
    name that the certificate there must have; a host that is not listed has its own.
    """

    authorities: str
    identity: str | None = None
    names: tuple["HostName", ...] = ()


@dataclass(frozen=True, slots=True)
class HostName:
    """The name in the certificate of the server at a host."""

    host: str
    name: str


@dataclass(frozen=True, slots=True)
class LoginFiles:
    """Files with the user name and the password of the superuser, or of somebody who may read everything."""

    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Source:
    """The ensemble, and what of it is read.

    `hosts` are `host:port`, one for each member: the Job chooses a follower among them. `cluster` is None for an
    ensemble that the operator does not run.
    """

    hosts: tuple[str, ...]
    cluster: Cluster | None = None
    root: str = "/"
    tls: TlsFiles | None = None
    login: LoginFiles | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """A store in a folder, such as the mount point of a volume claim."""

    path: str


@dataclass(frozen=True, slots=True)
class S3:
    """A store in a bucket.

    `credentials` is a directory with the files `accessKeyId`, `secretAccessKey` and, if need be, `sessionToken`; None
    where the environment gives them, as the service account of a pod does. `authority` is a file with the CA of the
    endpoint, None for the usual ones. An empty text stands for the default of S3.
    """

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    server_side_encryption: str = ""
    kms_key_id: str = ""
    credentials: str | None = None
    authority: str | None = None


Store = Folder | S3


class Verification(StrEnum):
    """How a backup is verified before it counts."""

    NONE = "None"
    STRUCTURE = "Structure"


@dataclass(frozen=True, slots=True)
class BackupOrder:
    """Take a backup.

    Attributes:
        uid: of the ZooKeeperBackup. When the backup was taken already, a Job that is started again answers the same.
        directory: `<namespace>/<cluster>/<uid of the cluster>`, see `directory_of`.
        previous: location of the last backup in the same store, whose ACLs are taken over where they cannot have
            changed; None to read all.
        key_file: a file of 32 bytes with which the backup is encrypted before it leaves the Job; None for no
            encryption of ours.
        deadline_s: after this the Job fails by itself.
    """

    uid: str
    source: Source
    store: Store
    directory: str
    verification: Verification = Verification.STRUCTURE
    previous: str | None = None
    key_file: str | None = None
    deadline_s: int = 3600


@dataclass(frozen=True, slots=True)
class VerifyOrder:
    """Read an existing backup to the end and compare it with its manifest.

    Attributes:
        location: of the backup.
        target: a folder that the snapshot file is put into under its final name, once it is found to be whole. It is
            made when it is not there, and what was fetched to it before is deleted. None to keep nothing.
        root: the backup must be one of this subtree.
    """

    store: Store
    location: str
    target: str | None = None
    root: str = "/"
    key_file: str | None = None
    deadline_s: int = 3600


@dataclass(frozen=True, slots=True)
class DrillOrder:
    """Read an existing backup to the end, and have a server start from it in another container of the same pod.

    `folder` is shared with that container, which waits for the file `ready` in it. `ports` are those of clients, of the
    quorum and of elections, on the loopback.
    """

    store: Store
    location: str
    folder: str
    ports: tuple[int, ...] = (2181, 2888, 3888)
    key_file: str | None = None
    deadline_s: int = 3600


@dataclass(frozen=True, slots=True)
class DeleteOrder:
    """Delete all data of the ZooKeeperBackup with this uid, that of unfinished Jobs included. None may run.

    When there is nothing of it (any more), that is no failure.
    """

    uid: str
    store: Store
    directory: str
    deadline_s: int = 3600


Order = BackupOrder | VerifyOrder | DrillOrder | DeleteOrder


class Reason(StrEnum):
    """Why a Job failed.

    `Unreachable` and `AccessDenied` apply to the ensemble and to the store; the message names which.
    """

    NO_SYNCED_MEMBER = "NoSyncedMember"
    DID_NOT_COME_TO_REST = "DidNotComeToRest"
    STORAGE_REFUSED = "StorageRefused"
    STORAGE_FULL = "StorageFull"
    DIGEST_DIFFERS = "DigestDiffers"
    ACCESS_DENIED = "AccessDenied"
    UNREACHABLE = "Unreachable"
    INVALID = "Invalid"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a backup: in its manifest, and in the status of its object.

    Attributes:
        zxid: the moment that the tree shows, as `0x` and hexadecimal digits, like `digest`.
        digest: that which the servers keep of their tree, for the tree without its ephemerals.
        znodes: in the file, the root and those of the server below `/zookeeper` included.
        bytes: of the snapshot file, unpacked; `sha256` is its hash. `stored_bytes` is the size of the stored object.
        member: `host:port` of the member that was read, `version` its version of ZooKeeper.
        types_kept: whether containers and znodes with a time to live are kept as such.
        ephemerals_left_out: number of ephemerals that were there.
        verified_at: None when it was not verified. Times are like `2026-11-30T12:00:00Z`.
    """

    zxid: str
    epoch: int
    znodes: int
    bytes: int
    stored_bytes: int
    digest: str
    sha256: str
    location: str
    member: str
    version: str
    types_kept: bool
    ephemerals_left_out: int
    started_at: str
    completed_at: str
    verified_at: str | None


@dataclass(frozen=True, slots=True)
class Complete:
    """The order was carried out. `backup` is None after a deletion."""

    backup: Facts | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The order failed. No znode's value and no credential is ever in the message."""

    reason: Reason
    message: str


Result = Complete | Failed


def directory_of(namespace: str, name: str, uid: str) -> str:
    """Return the directory for the backups of one object: a ZooKeeperCluster, or whatever stands for one."""
    return f"{namespace}/{name}/{uid}"


def order_to_json(order: Order) -> str:
    """Return the value of the variable."""
    return to_json(order)


def order_from_json(text: str) -> Order:
    """Return the order.

    Raises:
        InvalidError: it is none; names the field.
    """
    order: Order = from_json(Order, text)  # type: ignore[arg-type]
    return order


def result_to_json(result: Result) -> str:
    """Return the termination message, with the message of a failure cut where the kubelet would cut the JSON."""
    if isinstance(result, Failed):
        cut = result.message.encode(errors="replace")[:_MESSAGE_LIMIT_BYTES].decode(errors="ignore")
        result = replace(result, message="".join(char if char.isprintable() else " " for char in cut))
    return to_json(result)


def result_from_json(text: str) -> Result:
    """Return the result.

    Raises:
        InvalidError: it is none, as that of a container which was killed.
    """
    result: Result = from_json(Result, text)  # type: ignore[arg-type]
    return result
