"""User, groups and rights of the containers in a member's pod. No privileges of the host are on offer."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from zkoperator.api.meta import Model
from zkoperator.api.rules import Rule

_AnyId = Annotated[int, Field(ge=0, le=2**31 - 1)]
_UserId = Annotated[int, Field(ge=1, le=2**31 - 1)]
_Label = Annotated[str, Field(min_length=1, max_length=256)]


class SeccompType(StrEnum):
    """Which system calls are allowed."""

    RUNTIME_DEFAULT = "RuntimeDefault"
    LOCALHOST = "Localhost"


class SeccompProfile(Model):
    """Which system calls are allowed."""

    rules: ClassVar = (
        Rule(
            "write localhostProfile with type Localhost, and only with it",
            cel="has(self.localhostProfile) == (self.type == 'Localhost')",
            holds=lambda profile: (profile.localhost_profile is not None) == (profile.type is SeccompType.LOCALHOST),
        ),
    )

    type: SeccompType
    """`RuntimeDefault`, or `Localhost` for a profile on the nodes."""
    localhost_profile: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    """Path of the profile on the nodes, for `Localhost`."""


_Capabilities = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=64)], ...], Field(max_length=64)]


class Capabilities(Model):
    """Capabilities of Linux."""

    add: _Capabilities | None = None
    """Capabilities that are added. Pod Security "restricted" allows `NET_BIND_SERVICE` alone."""
    drop: _Capabilities = ("ALL",)
    """Capabilities that are taken away."""


class ContainerSecurityContext(Model):
    """Rights of a further container. What is not written is as restricted as Pod Security "restricted" wants it."""

    run_as_user: _AnyId | None = None
    """User id. The default is that of the pod."""
    run_as_group: _AnyId | None = None
    """Group id. The default is that of the pod."""
    run_as_non_root: bool | None = None
    """False: the container may run as root, which Pod Security "restricted" refuses. The default is that of the pod."""
    read_only_root_filesystem: bool | None = None
    """True: the container can write to volumes only."""
    allow_privilege_escalation: bool = False
    """True: a process may get more rights than its parent."""
    capabilities: Capabilities = Capabilities()
    """Capabilities of Linux."""
    seccomp_profile: SeccompProfile | None = None
    """Which system calls are allowed. The default is that of the pod."""


class FsGroupChangePolicy(StrEnum):
    """When the files of a volume get the group `fsGroup`."""

    ON_ROOT_MISMATCH = "OnRootMismatch"
    ALWAYS = "Always"


class SeLinuxOptions(Model):
    """The SELinux context of all containers."""

    level: _Label | None = None
    """Level of the context."""
    role: _Label | None = None
    """Role of the context."""
    type: _Label | None = None
    """Type of the context."""
    user: _Label | None = None
    """User of the context."""


class PodSecurityContext(Model):
    """User and groups of all containers. Without it, user and groups are 1000; `{}` leaves them to the platform."""

    run_as_user: _UserId | None = None
    """User id of all containers. Without it, the platform assigns one; an image with the user root is refused then."""
    run_as_group: _UserId | None = None
    """Group id of all containers. The default is that of the platform or of the image."""
    fs_group: _UserId | None = None
    """Group that owns the volumes. Without it, the platform assigns one, or volumes must be open to the user."""
    fs_group_change_policy: FsGroupChangePolicy = FsGroupChangePolicy.ON_ROOT_MISMATCH
    """When the files of a volume get the group. `Always` walks through all of them at each start."""
    supplemental_groups: Annotated[tuple[_AnyId, ...], Field(max_length=32)] | None = None
    """Further groups of all containers."""
    seccomp_profile: SeccompProfile = SeccompProfile(type=SeccompType.RUNTIME_DEFAULT)
    """Which system calls are allowed."""
    se_linux_options: SeLinuxOptions | None = None
    """The SELinux context of all containers."""
