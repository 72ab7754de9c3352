"""Backups that hold it wrong."""

from tests.support.models.bad import Bad, Spec

_CLAIM: Spec = {"persistentVolumeClaim": {"claimName": "backups"}}


def _backup(claim: str, spec: Spec, where: str, says: str, server_says: str = "", **more: str) -> Bad:
    whole = {"clusterRef": {"name": "main"}, "storage": _CLAIM, **spec}
    kept = {key: value for key, value in whole.items() if value is not None}
    return Bad(claim, "ZooKeeperBackup", kept, where, says, server_says, **more)


_S3: Spec = {"bucket": "backups", "credentialsSecret": "a"}


def _bucket(claim: str, s3: Spec, where: str, says: str, server_says: str = "") -> Bad:
    kept = {key: value for key, value in {**_S3, **s3}.items() if value is not None}
    return _backup(claim, {"storage": {"s3": kept}}, f"spec.storage.s3.{where}", says, server_says)


def _schedule(claim: str, spec: Spec, where: str, says: str, server_says: str = "", **more: str) -> Bad:
    whole = {"clusterRef": {"name": "main"}, "schedule": "0 * * * *", "template": {"storage": _CLAIM}, **spec}
    kept = {key: value for key, value in whole.items() if value is not None}
    return Bad(claim, "ZooKeeperBackupSchedule", kept, where, says, server_says, **more)


SCHEDULES = (
    _schedule("a schedule of nothing", {"clusterRef": None}, "spec", "exactly one of clusterRef"),
    _schedule("a schedule of two ensembles", {"hosts": "a:2181"}, "spec", "exactly one of clusterRef"),
    _schedule(
        "credentials for the cluster of a schedule",
        {"credentialsSecret": "a"},
        "spec.credentialsSecret",
        "as its superuser",
    ),
    _schedule("no time", {"schedule": None}, "spec.schedule", "is missing", "Required"),
    _schedule("six fields", {"schedule": "0 0 * * * *"}, "spec.schedule", "five fields"),
    _schedule("a word for a time", {"schedule": "@every 1h"}, "spec.schedule", "five fields"),
    _schedule("minute 60", {"schedule": "60 * * * *"}, "spec.schedule", "five fields"),
    _schedule("hour 24", {"schedule": "0 24 * * *"}, "spec.schedule", "five fields"),
    _schedule("the last day", {"schedule": "0 0 L * *"}, "spec.schedule", "five fields"),
    _schedule("a path as a time zone", {"timeZone": "../etc"}, "spec.timeZone", "as Europe/Berlin"),
    _schedule("a word for the time of drills", {"drill": "every week"}, "spec.drill", "five fields"),
    _schedule("no backup kept", {"retention": {"last": 0}}, "spec.retention.last", "at least 1", "or equal to 1"),
    _schedule("fewer days than none", {"retention": {"daily": -1}}, "spec.retention.daily", "at least 0", "equal to 0"),
    _schedule("no template", {"template": None}, "spec.template", "is missing", "Required"),
    _schedule(
        "a template without a place",
        {"template": {"storage": {}}},
        "spec.template.storage",
        "exactly one of persistentVolumeClaim",
    ),
    _schedule(
        "a long name of a schedule", {}, "metadata.name", "at most 43", "metadata.name", name="a" * 44, server_field=" "
    ),
)

BACKUPS = (
    _backup("a backup of nothing", {"clusterRef": None}, "spec", "exactly one of clusterRef"),
    _backup("a backup of two ensembles", {"hosts": "a:2181"}, "spec", "exactly one of clusterRef"),
    _backup("credentials for a cluster", {"credentialsSecret": "a"}, "spec.credentialsSecret", "as its superuser"),
    _backup("a host with a path", {"clusterRef": None, "hosts": "a:2181/b"}, "spec.hosts", "without a path"),
    _backup("a cluster in capitals", {"clusterRef": {"name": "A"}}, "spec.clusterRef.name", "lower-case"),
    _backup("no storage", {"storage": None}, "spec.storage", "is missing", "Required"),
    _backup("storage nowhere", {"storage": {}}, "spec.storage", "exactly one of persistentVolumeClaim"),
    _backup("two storages", {"storage": {**_CLAIM, "s3": _S3}}, "spec.storage", "exactly one of persistentVolumeClaim"),
    _bucket("a bucket in capitals", {"bucket": "Backups"}, "bucket", "lower-case"),
    _bucket("a prefix from the root", {"prefix": "/a"}, "prefix", "without '/' at its begin"),
    _bucket("an endpoint with a path", {"endpoint": "https://a/b"}, "endpoint", "without a path"),
    _bucket("a key without kms", {"kmsKeyId": "a"}, "kmsKeyId", "aws:kms"),
    _bucket("an authority in the clear", {"caSecret": "a", "endpoint": "http://a"}, "caSecret", "begins with https"),
    _bucket("another encryption", {"serverSideEncryption": "rot13"}, "serverSideEncryption", "'AES256'", '"AES256"'),
    _bucket("no credentials", {"credentialsSecret": None}, "credentialsSecret", "is missing", "Required"),
    _backup("another verification", {"verification": "Twice"}, "spec.verification", "'Structure'", '"Structure"'),
    _backup("another end of the data", {"deletionPolicy": "Keep"}, "spec.deletionPolicy", "'Delete'", '"Delete"'),
    _backup(
        "a long name of a backup", {}, "metadata.name", "at most 56", "metadata.name", name="a" * 57, server_field=" "
    ),
)
