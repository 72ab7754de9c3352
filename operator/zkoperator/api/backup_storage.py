"""Where the data of backups goes, how it is checked, and what becomes of it. Both kinds of backups share this."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from zkoperator.api.meta import Model
from zkoperator.api.rules import Rule, Rules, matching
from zkoperator.api.types import ObjectName


class ClaimStorage(Model):
    """A PersistentVolumeClaim in the same namespace."""

    claim_name: ObjectName
    """Name of the PersistentVolumeClaim. The data goes to the folder `<namespace>/<cluster>/<uid of the cluster>` of
    its volume."""


class ServerSideEncryption(StrEnum):
    """With which keys S3 encrypts what it stores."""

    AES256 = "AES256"
    KMS = "aws:kms"


_Endpoint = Annotated[
    str,
    Field(min_length=1, max_length=512),
    Rules(matching(r"https?://[A-Za-z0-9.:\[\]-]+", "write https://host or https://host:port, without a path")),
]


class S3Storage(Model):
    """A bucket of S3, or of what speaks as S3 does."""

    rules: ClassVar = (
        Rule(
            "write serverSideEncryption: aws:kms beside it, or leave it out",
            field="kmsKeyId",
            cel="!has(self.kmsKeyId) || (has(self.serverSideEncryption) && self.serverSideEncryption == 'aws:kms')",
            holds=lambda s3: s3.kms_key_id is None or s3.server_side_encryption is ServerSideEncryption.KMS,
        ),
        Rule(
            "write an endpoint that begins with https:// beside it, or leave it out",
            field="caSecret",
            cel="!has(self.caSecret) || (has(self.endpoint) && self.endpoint.startsWith('https://'))",
            holds=lambda s3: s3.ca_secret is None or (s3.endpoint or "").startswith("https://"),
        ),
    )

    bucket: Annotated[
        str,
        Field(min_length=3, max_length=63),
        Rules(matching(r"[a-z0-9][a-z0-9.-]*[a-z0-9]", "write the name of a bucket: lower-case letters, digits, '-'")),
    ]
    """Name of the bucket, which has to exist."""
    prefix: Annotated[
        str,
        Field(max_length=512),
        Rules(
            matching(
                r"([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)?",
                "write a path below the bucket such as backups/zookeeper, without '/' at its begin and end",
            )
        ),
    ] = ""
    """Path below the bucket for everything that is stored."""
    endpoint: _Endpoint | None = None
    """URL of the service; the default is that of AWS for the region. With `http://` values pass in the clear."""
    region: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """Region of the bucket. The default is us-east-1."""
    credentials_secret: ObjectName
    """Name of a Secret in the same namespace with `accessKeyId`, `secretAccessKey` and, if need be, `sessionToken`."""
    ca_secret: ObjectName | None = None
    """Name of a Secret in the same namespace with `ca.crt`, the authority of the endpoint's certificate. The default is
    the usual authorities."""
    server_side_encryption: ServerSideEncryption | None = None
    """With which keys the store encrypts what it keeps. The default is what the bucket is set to."""
    kms_key_id: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    """The key for `aws:kms`. The default is the one of the bucket."""


class BackupStorage(Model):
    """Where the data goes: a claim or a bucket."""

    rules: ClassVar = (
        Rule(
            "write exactly one of persistentVolumeClaim and s3",
            cel="has(self.persistentVolumeClaim) != has(self.s3)",
            holds=lambda storage: (storage.persistent_volume_claim is None) != (storage.s3 is None),
        ),
    )

    persistent_volume_claim: ClaimStorage | None = None
    """A PersistentVolumeClaim in the same namespace."""
    s3: S3Storage | None = None
    """A bucket of S3, or of what speaks as S3 does."""


class Verification(StrEnum):
    """How the data is checked after it was stored."""

    STRUCTURE = "Structure"
    DRILL = "Drill"
    NONE = "None"


class DataPolicy(StrEnum):
    """What happens to the data when the object is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


class BackupTemplate(Model):
    """Where the data goes, how it is checked, and what becomes of it."""

    storage: BackupStorage
    """Where the data goes."""
    verification: Verification = Verification.STRUCTURE
    """How the data is checked after it was stored. `Structure`: it is read back, and its form, digest and counts are
    those of the tree that was read. `Drill`: after that, a server of the ensemble's image starts from it alone in a pod
    of its own, has the same tree, and takes a write."""
    deletion_policy: DataPolicy = DataPolicy.DELETE
    """What happens to the data when the object is deleted. `Delete`: it is deleted too. `Retain`: it stays."""
