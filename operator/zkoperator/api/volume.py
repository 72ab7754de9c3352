"""Further volumes of a member's pod. There is no `hostPath`: Pod Security "restricted" and "baseline" refuse it."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from zkoperator.api.environment import FieldRef, ResourceFieldRef
from zkoperator.api.meta import Model
from zkoperator.api.reserved import one_of
from zkoperator.api.rules import Rules
from zkoperator.api.types import RELATIVE_PATH, ConfigKey, LabelName, ObjectName, Quantity

_Mode = Annotated[int, Field(ge=0, le=0o777)]
_Inside = Annotated[str, Field(min_length=1, max_length=256), Rules(RELATIVE_PATH)]


class KeyToPath(Model):
    """A key, and the file that it becomes."""

    key: ConfigKey
    """The key."""
    path: _Inside
    """Path of the file in the volume."""
    mode: _Mode | None = None
    """Mode of the file, as a decimal number: 288 is 0440. The default is that of the volume."""


_Items = Annotated[tuple[KeyToPath, ...], Field(max_length=8)]


class ConfigMapVolume(Model):
    """A ConfigMap in the same namespace, as files."""

    name: ObjectName
    """Name of the ConfigMap."""
    items: _Items | None = None
    """Keys that become files. The default is all of them."""
    default_mode: _Mode = 0o644
    """Mode of the files, as a decimal number: 420 is 0644."""
    optional: bool | None = None
    """True: the pod also starts without the ConfigMap."""


class SecretVolume(Model):
    """A Secret in the same namespace, as files."""

    secret_name: ObjectName
    """Name of the Secret."""
    items: _Items | None = None
    """Keys that become files. The default is all of them."""
    default_mode: _Mode = 0o644
    """Mode of the files, as a decimal number: 420 is 0644."""
    optional: bool | None = None
    """True: the pod also starts without the Secret."""


class Medium(StrEnum):
    """Where an empty directory is."""

    MEMORY = "Memory"


class EmptyDirVolume(Model):
    """An empty directory that lives as long as the pod."""

    medium: Medium | None = None
    """`Memory`, which counts as memory of the containers that write to it. The default is the disk of the node."""
    size_limit: Quantity | None = None
    """The most that it may hold, such as `1Gi`. A pod that exceeds it is evicted."""


class ClaimVolume(Model):
    """A volume claim in the same namespace. All members mount the same one."""

    claim_name: ObjectName
    """Name of the PersistentVolumeClaim."""
    read_only: bool = False
    """True: nobody in the pod can write to it."""


class DownwardApiFile(Model):
    """A field of the pod or a resource of a container as a file."""

    rules: ClassVar = (one_of("fieldRef", "resourceFieldRef", advice=": the file has one source"),)

    path: _Inside
    """Path of the file in the volume."""
    field_ref: FieldRef | None = None
    """A field of the pod."""
    resource_field_ref: ResourceFieldRef | None = None
    """A request or a limit of a container, which must be named."""
    mode: _Mode | None = None
    """Mode of the file, as a decimal number: 288 is 0440. The default is that of the volume."""


_Files = Annotated[tuple[DownwardApiFile, ...], Field(max_length=8)]


class DownwardApiVolume(Model):
    """Fields of the pod and resources of its containers, as files."""

    items: _Files | None = None
    """The files."""
    default_mode: _Mode = 0o644
    """Mode of the files, as a decimal number: 420 is 0644."""


class CsiVolume(Model):
    """A volume of a CSI driver that lives as long as the pod, such as secrets of a vault."""

    driver: Annotated[str, Field(min_length=1, max_length=63)]
    """Name of the driver, such as `secrets-store.csi.k8s.io`."""
    read_only: bool = False
    """True: nobody in the pod can write to it."""
    volume_attributes: (
        Annotated[
            dict[Annotated[str, Field(max_length=253)], Annotated[str, Field(max_length=4096)]], Field(max_length=32)
        ]
        | None
    ) = None
    """What the driver needs to know."""


class ProjectedConfigMap(Model):
    """A ConfigMap in the same namespace."""

    name: ObjectName
    """Name of the ConfigMap."""
    items: _Items | None = None
    """Keys that become files. The default is all of them."""
    optional: bool | None = None
    """True: the pod also starts without the ConfigMap."""


class ProjectedSecret(Model):
    """A Secret in the same namespace."""

    name: ObjectName
    """Name of the Secret."""
    items: _Items | None = None
    """Keys that become files. The default is all of them."""
    optional: bool | None = None
    """True: the pod also starts without the Secret."""


class ProjectedDownwardApi(Model):
    """Fields of the pod and resources of its containers."""

    items: _Files | None = None
    """The files."""


class ServiceAccountToken(Model):
    """A token of `spec.pod.serviceAccountName` that the kubelet renews."""

    audience: Annotated[str, Field(max_length=512)] | None = None
    """For whom the token is. The default is the API server."""
    expiration_seconds: Annotated[int, Field(ge=600, le=2**32)] = 3600
    """How long a token is valid, in seconds."""
    path: _Inside
    """Path of the file in the volume."""


class ProjectedSource(Model):
    """One source of the files: exactly one of the fields."""

    rules: ClassVar = (
        one_of(
            "configMap",
            "secret",
            "downwardAPI",
            "serviceAccountToken",
            advice=": further sources are entries of their own",
        ),
    )

    config_map: ProjectedConfigMap | None = None
    """A ConfigMap in the same namespace."""
    secret: ProjectedSecret | None = None
    """A Secret in the same namespace."""
    downward_api: Annotated[ProjectedDownwardApi | None, Field(alias="downwardAPI")] = None
    """Fields of the pod and resources of its containers."""
    service_account_token: ServiceAccountToken | None = None
    """A token of the pod's service account. Members get none without being asked for it here."""


class ProjectedVolume(Model):
    """Several sources in one directory."""

    sources: Annotated[tuple[ProjectedSource, ...], Field(max_length=4)]
    """The sources."""
    default_mode: _Mode = 0o644
    """Mode of the files, as a decimal number: 420 is 0644."""


class Volume(Model):
    """A further volume: a name and exactly one of the other fields."""

    rules: ClassVar = (
        one_of(
            *("configMap", "secret", "emptyDir", "projected", "persistentVolumeClaim", "downwardAPI", "csi"),
            advice=": a volume has one source",
        ),
    )

    name: LabelName
    """Name of the volume. Names of the member's own volumes are not allowed."""
    config_map: ConfigMapVolume | None = None
    """A ConfigMap in the same namespace, as files."""
    secret: SecretVolume | None = None
    """A Secret in the same namespace, as files."""
    empty_dir: EmptyDirVolume | None = None
    """An empty directory that lives as long as the pod."""
    projected: ProjectedVolume | None = None
    """Several sources in one directory."""
    persistent_volume_claim: ClaimVolume | None = None
    """A volume claim in the same namespace, which all members mount, with access mode ReadOnlyMany or ReadWriteMany."""
    downward_api: Annotated[DownwardApiVolume | None, Field(alias="downwardAPI")] = None
    """Fields of the pod and resources of its containers, as files."""
    csi: CsiVolume | None = None
    """A volume of a CSI driver that lives as long as the pod."""
