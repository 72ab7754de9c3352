"""The Service for clients of an ensemble."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from zkoperator.api.meta import Model
from zkoperator.api.rules import Rule, Rules
from zkoperator.api.scheduling import Annotations, Labels


class ServiceType(StrEnum):
    """Type of the Service for clients."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class IpFamilyPolicy(StrEnum):
    """Whether the Service has addresses of one family or of both, in the words of Kubernetes."""

    SINGLE_STACK = "SingleStack"
    PREFER_DUAL_STACK = "PreferDualStack"
    REQUIRE_DUAL_STACK = "RequireDualStack"


class IpFamily(StrEnum):
    """A family of addresses."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"


def _as_many_as_the_policy(service: "ClientService") -> bool:
    if service.ip_families is None:
        return True
    wants_both = service.ip_family_policy not in (None, IpFamilyPolicy.SINGLE_STACK)
    return (len(service.ip_families) == 2) == wants_both


class ClientService(Model):
    """The Service for clients."""

    rules: ClassVar = (
        Rule(
            "write two families with ipFamilyPolicy: PreferDualStack or RequireDualStack, and one family without them",
            field="ipFamilies",
            cel="!has(self.ipFamilies) || (self.ipFamilies.size() == 2) == "
            "(has(self.ipFamilyPolicy) && self.ipFamilyPolicy != 'SingleStack')",
            holds=_as_many_as_the_policy,
        ),
    )

    type: ServiceType = ServiceType.CLUSTER_IP
    """Type of the Service. `NodePort` and `LoadBalancer` are reachable from outside; ZooKeeper asks for no password."""
    ip_family_policy: IpFamilyPolicy | None = None
    """`PreferDualStack`: addresses of IPv4 and IPv6 where the Kubernetes cluster has both. `RequireDualStack`: of both,
    or no Service. `SingleStack`: of one. Without the field a new Service has one, and an old one is not changed."""
    ip_families: (
        Annotated[
            tuple[IpFamily, ...],
            Field(min_length=1, max_length=2),
            Rules(
                Rule(
                    "write each family once",
                    cel="self.size() < 2 || self[0] != self[1]",
                    holds=lambda families: len(set(families)) == len(families),
                )
            ),
        ]
        | None
    ) = None
    """Families of the addresses, in their order. The default is that of the Kubernetes cluster. A Service keeps its
    first family: to change that one, delete the Service, and the operator makes it again."""
    labels: Labels = Field(default_factory=dict)
    """Further labels for this Service."""
    annotations: Annotations = Field(default_factory=dict)
    """Further annotations for this Service, such as those for a load balancer or a DNS controller."""
