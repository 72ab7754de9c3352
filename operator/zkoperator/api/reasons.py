"""Types and reasons of the conditions of all kinds. They are a public contract: runbooks and alerts name them."""

from enum import StrEnum


class StandardCondition(StrEnum):
    """The conditions of every kind that repeat Ready for other tools, as kstatus defines them."""

    RECONCILING = "Reconciling"
    """The operator is still at work: the object is in progress."""
    STALLED = "Stalled"
    """The operator waits for a person: the object has failed."""


class ClusterCondition(StrEnum):
    """The conditions of a ZooKeeperCluster."""

    READY = "Ready"
    """The newest spec is fully in place, and every voter serves and is synced."""
    AVAILABLE = "Available"
    """A quorum serves."""
    PROGRESSING = "Progressing"
    """A change is being carried out, or is blocked."""
    DEGRADED = "Degraded"
    """Something is wrong."""


class ClusterReason(StrEnum):
    """The reasons of the conditions of a ZooKeeperCluster."""

    IN_SYNC = "InSync"
    QUORUM_SERVES = "QuorumServes"
    SETTLED = "Settled"
    HEALTHY = "Healthy"

    BOOTSTRAPPING = "Bootstrapping"
    SCALING_UP = "ScalingUp"
    SCALING_DOWN = "ScalingDown"
    ROLLING_RESTART = "RollingRestart"
    UPGRADING = "Upgrading"
    REPAIRING = "Repairing"
    CHANGING_TLS = "ChangingTLS"
    RECOVERING = "Recovering"
    RECOVERY_REFUSED = "RecoveryRefused"
    RESTORING = "Restoring"
    RESTORE_REFUSED = "RestoreRefused"
    RESTORE_FAILED = "RestoreFailed"
    EXPANDING_VOLUMES = "ExpandingVolumes"
    REPLACING_VOLUMES = "ReplacingVolumes"
    MODIFYING_VOLUMES = "ModifyingVolumes"
    REPLACEMENT_REFUSED = "ReplacementRefused"
    APPLYING = "Applying"
    BLOCKED = "Blocked"
    PAUSED = "Paused"

    MEMBER_DOWN = "MemberDown"
    QUORUM_LOST = "QuorumLost"
    MAJORITY_WIPED = "MajorityWiped"
    INVALID_SPEC = "InvalidSpec"
    DATA_DIVERGED = "DataDiverged"
    NODE_LOST = "NodeLost"
    FOREIGN_OBJECT = "ForeignObject"
    POD_FAILING = "PodFailing"
    UNSCHEDULABLE = "Unschedulable"
    CLAIMS_TERMINATING = "ClaimsTerminating"
    CERTIFICATE_INVALID = "CertificateInvalid"
    CERTIFICATE_EXPIRING = "CertificateExpiring"
    BACKUP_OVERDUE = "BackupOverdue"
    FORBIDDEN = "Forbidden"
    UNKNOWN = "Unknown"


CLUSTER_STALLED = frozenset(
    {
        *(ClusterReason.INVALID_SPEC, ClusterReason.FOREIGN_OBJECT, ClusterReason.FORBIDDEN),
        ClusterReason.MAJORITY_WIPED,
    }
)
"""Reasons of Ready or Degraded that only a person can end."""
CLUSTER_RESTING = frozenset({ClusterReason.PAUSED})
"""Reasons of Ready with which the operator does nothing because somebody asked for that."""


class SyncCondition(StrEnum):
    """The conditions of a ConfigSync."""

    READY = "Ready"
    """Every selected key is equal on both sides, as of `status.zxid`."""
    CONNECTED = "Connected"
    """There is a session with the ensemble."""
    CONFLICTED = "Conflicted"
    """Some keys were edited differently on both sides and wait for a decision."""
    DELETIONS_HELD = "DeletionsHeld"
    """A plan with many deletions waits for approval."""
    ROLLED_OUT = "RolledOut"
    """Every workload of `spec.rollout` was found and has been restarted with the content, or needs no restart."""


class SyncReason(StrEnum):
    """The reasons of the conditions of a ConfigSync."""

    IN_SYNC = "InSync"
    SYNCING = "Syncing"
    CONNECTED = "Connected"
    NO_CONFLICT = "NoConflict"
    NOTHING_HELD = "NothingHeld"
    ROLLED_OUT = "RolledOut"
    UP_TO_DATE = "UpToDate"

    CONFLICT = "Conflict"
    DELETIONS_HELD = "DeletionsHeld"
    DISCONNECTED = "Disconnected"
    TARGET_OWNED = "TargetOwned"
    TARGET_NOT_ADOPTED = "TargetNotAdopted"
    TARGET_INVALID = "TargetInvalid"
    TEMPLATE_FAILED = "TemplateFailed"
    SOURCE_CLAIMED = "SourceClaimed"
    SOURCE_MISSING = "SourceMissing"
    KEY_INVALID = "KeyInvalid"
    TOO_LARGE = "TooLarge"
    FORBIDDEN = "Forbidden"
    SOURCE_REGRESSED = "SourceRegressed"
    BASE_LOST = "BaseLost"
    FLAPPING = "Flapping"
    CLUSTER_NOT_FOUND = "ClusterNotFound"
    HOST_NOT_ALLOWED = "HostNotAllowed"
    NOT_GRANTED = "NotGranted"
    SECRETS_NOT_GRANTED = "SecretsNotGranted"
    CREDENTIALS_NOT_FOUND = "CredentialsNotFound"
    INVALID_SPEC = "InvalidSpec"
    PAUSED = "Paused"
    DRY_RUN = "DryRun"
    WORKLOAD_NOT_FOUND = "WorkloadNotFound"
    KIND_NOT_SERVED = "KindNotServed"
    NO_POD_TEMPLATE = "NoPodTemplate"
    ROLLOUT_FORBIDDEN = "RolloutForbidden"


SYNC_STALLED = frozenset(
    {
        *(SyncReason.CONFLICT, SyncReason.DELETIONS_HELD, SyncReason.BASE_LOST, SyncReason.SOURCE_REGRESSED),
        *(SyncReason.TARGET_OWNED, SyncReason.TARGET_NOT_ADOPTED, SyncReason.TARGET_INVALID, SyncReason.SOURCE_CLAIMED),
        *(SyncReason.KEY_INVALID, SyncReason.TOO_LARGE, SyncReason.FORBIDDEN, SyncReason.HOST_NOT_ALLOWED),
        *(SyncReason.INVALID_SPEC, SyncReason.TEMPLATE_FAILED, SyncReason.SECRETS_NOT_GRANTED),
    }
)
"""Reasons of Ready that only a person can end. What another object of the same apply may end is not one."""
SYNC_RESTING = frozenset({SyncReason.PAUSED, SyncReason.DRY_RUN})
"""Reasons of Ready with which the operator does nothing because somebody asked for that."""


class BackupCondition(StrEnum):
    """The conditions of a ZooKeeperBackup."""

    COMPLETE = "Complete"
    """The data is stored as a whole."""
    VERIFIED = "Verified"
    """The data was checked after it was stored, and is sound."""
    FAILED = "Failed"
    """There is no backup, and the operator does not try again."""


class BackupReason(StrEnum):
    """The reasons of the conditions of a ZooKeeperBackup."""

    COMPLETE = "Complete"
    VERIFIED = "Verified"
    DRILLED = "Drilled"
    DRILLING = "Drilling"
    DRILL_FAILED = "DrillFailed"
    NOT_VERIFIED = "NotVerified"
    NOT_FAILED = "NotFailed"

    RUNNING = "Running"
    JOB_NOT_STARTED = "JobNotStarted"
    CLUSTER_NOT_FOUND = "ClusterNotFound"
    CLUSTER_NOT_READY = "ClusterNotReady"
    CLAIM_NOT_FOUND = "ClaimNotFound"
    IMAGE_UNKNOWN = "ImageUnknown"
    FORBIDDEN = "Forbidden"
    INVALID_SPEC = "InvalidSpec"

    NO_SYNCED_MEMBER = "NoSyncedMember"
    DID_NOT_COME_TO_REST = "DidNotComeToRest"
    UNREACHABLE = "Unreachable"
    ACCESS_DENIED = "AccessDenied"
    STORAGE_REFUSED = "StorageRefused"
    STORAGE_FULL = "StorageFull"
    DIGEST_DIFFERS = "DigestDiffers"
    INVALID = "Invalid"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    JOB_LOST = "JobLost"

    DELETING = "Deleting"
    DELETION_FAILED = "DeletionFailed"


BACKUP_GIVEN_UP = frozenset(
    {
        *(BackupReason.ACCESS_DENIED, BackupReason.STORAGE_REFUSED, BackupReason.STORAGE_FULL),
        *(BackupReason.DIGEST_DIFFERS, BackupReason.INVALID, BackupReason.INVALID_SPEC),
    }
)
"""Reasons with which a Job is not tried again: it would fail again until a person has changed something."""

BACKUP_STALLED = frozenset({BackupReason.FORBIDDEN, BackupReason.IMAGE_UNKNOWN, BackupReason.INVALID_SPEC})
"""Reasons of Complete that only a person can end, although the operator goes on trying."""


class ScheduleCondition(StrEnum):
    """The conditions of a ZooKeeperBackupSchedule."""

    HEALTHY = "Healthy"
    """Backups are taken and verified as the schedule says."""


class ScheduleReason(StrEnum):
    """The reasons of the conditions of a ZooKeeperBackupSchedule."""

    ON_SCHEDULE = "OnSchedule"
    FIRST_PENDING = "FirstPending"

    BACKUP_FAILED = "BackupFailed"
    BACKUP_OVERDUE = "BackupOverdue"
    DRILL_FAILED = "DrillFailed"
    VERIFICATION_OVERDUE = "VerificationOverdue"
    ZNODES_FELL = "ZnodesFell"
    SUSPENDED = "Suspended"
    NAME_TAKEN = "NameTaken"
    FORBIDDEN = "Forbidden"
    INVALID_SPEC = "InvalidSpec"


SCHEDULE_STALLED = frozenset({ScheduleReason.FORBIDDEN, ScheduleReason.INVALID_SPEC})
"""Reasons of Healthy that only a person can end."""
SCHEDULE_RESTING = frozenset({ScheduleReason.SUSPENDED})
"""Reasons of Healthy with which the operator does nothing because somebody asked for that."""


class ZNodeCondition(StrEnum):
    """The conditions of a ZNode."""

    READY = "Ready"
    """The znode is there, with the ACL and the quota that the spec asks for."""


class ZNodeReason(StrEnum):
    """The reasons of the conditions of a ZNode."""

    IN_PLACE = "InPlace"
    CREATING = "Creating"
    DELETING = "Deleting"

    CLUSTER_NOT_FOUND = "ClusterNotFound"
    CLUSTER_NOT_READY = "ClusterNotReady"
    NOT_GRANTED = "NotGranted"
    CREDENTIALS_NOT_FOUND = "CredentialsNotFound"
    DISCONNECTED = "Disconnected"
    QUOTA_NOT_ENFORCED = "QuotaNotEnforced"
    PATH_TAKEN = "PathTaken"
    SECRET_TAKEN = "SecretTaken"  # noqa: S105
    REFUSED = "Refused"
    FORBIDDEN = "Forbidden"
    INVALID_SPEC = "InvalidSpec"
    IN_USE = "InUse"
    DELETION_HELD = "DeletionHeld"


ZNODE_STALLED = frozenset(
    {
        *(ZNodeReason.PATH_TAKEN, ZNodeReason.SECRET_TAKEN, ZNodeReason.REFUSED, ZNodeReason.FORBIDDEN),
        *(ZNodeReason.INVALID_SPEC, ZNodeReason.DELETION_HELD),
    }
)
"""Reasons of Ready that only a person can end. What another object of the same apply may end is not one."""
