"""Further containers in a member's pod: sidecars, and what runs before the member."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from zkoperator.api.environment import Environment
from zkoperator.api.meta import Model
from zkoperator.api.probe import Probe
from zkoperator.api.reserved import CONTAINER, foreign_mounts, foreign_path, foreign_ports, unique
from zkoperator.api.resources import PullPolicy, Resources
from zkoperator.api.rules import Rule, Rules, matching
from zkoperator.api.security_context import ContainerSecurityContext
from zkoperator.api.types import ABSOLUTE_PATH, RELATIVE_PATH, Command, ImageReference, LabelName

_VolumeName = Annotated[str, Field(min_length=1, max_length=63)]
_ONCE_A_PATH = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["mountPath"]}


class VolumeMount(Model):
    """Where a volume is in the container."""

    name: _VolumeName
    """Name of the volume."""
    mount_path: Annotated[str, Field(max_length=512), Rules(ABSOLUTE_PATH)]
    """Absolute path in the container."""
    sub_path: Annotated[str, Field(max_length=512), Rules(RELATIVE_PATH)] | None = None
    """Path in the volume that is mounted. The default is the whole volume."""
    read_only: bool = False
    """True: the container cannot write to it."""


class MemberMount(VolumeMount):
    """Where a volume of `spec.pod.volumes` is in the container of the member."""

    mount_path: Annotated[str, Field(max_length=512), Rules(ABSOLUTE_PATH, foreign_path())]
    """Absolute path in the container, outside the member's own directories."""


class Protocol(StrEnum):
    """Protocol of a port."""

    TCP = "TCP"
    UDP = "UDP"


class ContainerPort(Model):
    """A port that the container listens on. The NetworkPolicy of the ensemble lets everybody reach it."""

    name: (
        Annotated[
            str,
            Field(max_length=15),
            Rules(matching(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", "write lower-case letters, digits and '-'")),
        ]
        | None
    ) = None
    """Name of the port."""
    container_port: Annotated[int, Field(ge=1, le=65535)]
    """The number. Ports of the member are not allowed."""
    protocol: Protocol = Protocol.TCP
    """Protocol of the port."""


class Container(Model):
    """A container beside the member."""

    name: Annotated[
        LabelName,
        Rules(
            Rule(
                f"write another name: {CONTAINER} is the container of the member, which cannot be overridden",
                cel=f"self != '{CONTAINER}'",
                holds=lambda name: name != CONTAINER,
            )
        ),
    ]
    """Name of the container."""
    image: ImageReference
    """The image."""
    image_pull_policy: PullPolicy | None = None
    """When the kubelet pulls the image. Kubernetes decides by the tag where nothing is written."""
    command: Command | None = None
    """The program and its arguments. The default is the entry point of the image."""
    args: Command | None = None
    """Arguments of the program."""
    env: Environment | None = None
    """Environment variables."""
    ports: (
        Annotated[
            tuple[ContainerPort, ...],
            Field(
                max_length=16,
                json_schema_extra={
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
                },
            ),
            Rules(unique("containerPort and protocol", "container_port", "protocol"), *foreign_ports()),
        ]
        | None
    ) = None
    """Ports that the container listens on. Ports of the member are not allowed."""
    startup_probe: Probe | None = None
    """Until it succeeds, the other probes wait; the container is started again when it fails."""
    readiness_probe: Probe | None = None
    """While it fails, the member is not ready: no clients are routed to it, and no other member is restarted."""
    liveness_probe: Probe | None = None
    """When it fails, the container is started again."""
    resources: Resources | None = None
    """Compute resources of the container."""
    volume_mounts: (
        Annotated[
            tuple[VolumeMount, ...],
            Field(max_length=16, json_schema_extra=_ONCE_A_PATH),
            Rules(unique("mountPath", "mount_path"), foreign_mounts()),
        ]
        | None
    ) = None
    """Volumes of `spec.pod.volumes`. The volume `data` of the member can be mounted with `readOnly: true`."""
    security_context: ContainerSecurityContext | None = None
    """Rights of the container. They are as restricted as Pod Security "restricted" wants where nothing is written."""

    @property
    def has_probes(self) -> bool:
        """Whether there is any probe."""
        return any(probe is not None for probe in (self.startup_probe, self.readiness_probe, self.liveness_probe))


class Restart(StrEnum):
    """Whether a container that runs before the member goes on beside it."""

    ALWAYS = "Always"


class InitContainer(Container):
    """A container that runs to its end before the member starts, or beside the member with `restartPolicy: Always`."""

    rules: ClassVar = (
        Rule(
            "write restartPolicy: Always, or leave the probes out: a container that runs to its end has none",
            cel="has(self.restartPolicy)"
            " || !(has(self.startupProbe) || has(self.readinessProbe) || has(self.livenessProbe))",
            holds=lambda container: container.restart_policy is not None or not container.has_probes,
        ),
    )

    restart_policy: Restart | None = None
    """`Always`: the container starts before the member, goes on beside it, may have probes, and ends after it."""
