"""The settings of an ensemble's pods that a user may change.

The list is closed on purpose: what the safety of the ensemble rests on is not on it, nor are settings of the host,
which Pod Security "restricted" refuses.
"""

from typing import Annotated, Any, ClassVar

from pydantic import Field
from pydantic.config import JsonDict

from zkoperator.api.container import Container, InitContainer, MemberMount
from zkoperator.api.environment import Environment
from zkoperator.api.name_resolution import DnsConfig, HostAlias
from zkoperator.api.reserved import DATA, VOLUMES, foreign_names, foreign_variables, unique
from zkoperator.api.rules import Rule, Rules
from zkoperator.api.scheduling import Placement
from zkoperator.api.security_context import PodSecurityContext
from zkoperator.api.types import ObjectName
from zkoperator.api.volume import Volume

_BY_NAME: JsonDict = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}


def _has_volumes(pod: "Pod") -> bool:
    names = {volume.name for volume in pod.volumes or ()}
    inner = (mount for each in pod.further_containers for mount in each.volume_mounts or ())
    return {mount.name for mount in pod.volume_mounts or ()} <= names and {m.name for m in inner} <= {*names, DATA}


def _has_distinct_containers(pod: "Pod") -> bool:
    names = [each.name for each in pod.further_containers]
    return len(set(names)) == len(names)


_MOUNTS = "!has(x.volumeMounts) || x.volumeMounts.all(m, m.name == 'data' || {names})"
_KNOWN = "has(self.volumes) && self.volumes.exists(v, v.name == m.name)"
_FURTHER = " && ".join(
    f"(!has(self.{field}) || self.{field}.all(x, {_MOUNTS.format(names=_KNOWN)}))"
    for field in ("containers", "initContainers")
)


class Pod(Placement):
    """Placement, containers, volumes and rights of the members' pods."""

    rules: ClassVar = (
        Rule(
            "write each volume that is mounted in spec.pod.volumes, and mount none of the member's own: "
            "only further containers may mount data, with readOnly: true",
            field="volumes",
            cel=f"(!has(self.volumeMounts) || self.volumeMounts.all(m, {_KNOWN})) && {_FURTHER}",
            holds=_has_volumes,
        ),
        Rule(
            "write another name for what is in containers as well",
            field="initContainers",
            cel="!has(self.initContainers) || !has(self.containers)"
            " || self.initContainers.all(x, !self.containers.exists(y, y.name == x.name))",
            holds=_has_distinct_containers,
        ),
    )

    env: Annotated[Environment, Rules(*foreign_variables())] | None = None
    """Environment variables of the member's own container, except those that the member itself reads.
    `JAVA_TOOL_OPTIONS` may load agents."""
    volume_mounts: (
        Annotated[
            tuple[MemberMount, ...],
            Field(
                max_length=16,
                json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["mountPath"]},
            ),
            Rules(unique("mountPath", "mount_path")),
        ]
        | None
    ) = None
    """Where volumes of `spec.pod.volumes` are in the member's own container."""
    containers: (
        Annotated[tuple[Container, ...], Field(max_length=8, json_schema_extra=_BY_NAME), Rules(unique("name", "name"))]
        | None
    ) = None
    """Containers beside the member, such as a log shipper. The member is ready while all of them are."""
    init_containers: (
        Annotated[
            tuple[InitContainer, ...], Field(max_length=8, json_schema_extra=_BY_NAME), Rules(unique("name", "name"))
        ]
        | None
    ) = None
    """Containers that run before the member, in this order, and sidecars of Kubernetes."""
    volumes: (
        Annotated[
            tuple[Volume, ...],
            Field(max_length=16, json_schema_extra=_BY_NAME),
            Rules(
                unique("name", "name"),
                foreign_names(VOLUMES, "are the member's own volumes, which cannot be overridden"),
            ),
        ]
        | None
    ) = None
    """Further volumes."""
    service_account_name: ObjectName | None = None
    """ServiceAccount of the pods, `default` by default. No container has its token unless a projected volume asks for
    it."""
    security_context: PodSecurityContext | None = None
    """User and groups of all containers. The default is 1000. `{}`: the platform assigns them, as OpenShift does."""
    runtime_class_name: ObjectName | None = None
    """RuntimeClass of the pods."""
    scheduler_name: ObjectName | None = None
    """Scheduler of the pods. The default is that of Kubernetes."""
    host_aliases: (
        Annotated[
            tuple[HostAlias, ...],
            Field(
                max_length=16, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["ip"]}
            ),
            Rules(unique("ip", "ip")),
        ]
        | None
    ) = None
    """Entries of the hosts file of all containers."""
    dns_config: DnsConfig | None = None
    """What is added to the resolver's configuration of all containers."""

    @property
    def placement(self) -> dict[str, Any]:
        """The fields of `Placement`, as in a manifest."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, include=set(Placement.model_fields))

    @property
    def further_containers(self) -> tuple[Container, ...]:
        """Those before the member and those beside it."""
        return (*(self.init_containers or ()), *(self.containers or ()))
