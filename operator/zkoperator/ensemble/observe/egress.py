"""Which NetworkPolicies of others deny members every connection that nobody allows.

Policies add up: a policy of the operator that allows egress would also deny all other egress, so it allows some only
where egress is denied by default anyway (Kubernetes 1.34, documentation of NetworkPolicy).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.build.networkpolicy import EGRESS, grants_egress
from zkoperator.ensemble.model.names import Names
from zkoperator.kube.port import NETWORK_POLICIES, KubeApi, Manifest

PATIENCE_S = 5.0
"""Seconds without a leader before the operator looks for a policy that is in the way."""
READ_EVERY_S = 10.0
"""Seconds between two reads while there is no leader."""
REVIEW_EVERY_S = 60.0
"""Seconds between two reads while egress is granted. The grant ends with the policy that made it necessary."""


@dataclass(slots=True)
class EgressState:
    """What is remembered of the policies around one cluster. Times are monotonic seconds."""

    read_s: float = float("-inf")
    policies: tuple[str, ...] | None = None


class EgressReader:
    """Reads the policies of the namespaces of clusters without a leader, and of those that are granted egress.

    Args:
        api: lists NetworkPolicies.
        now_s: monotonic time.
    """

    def __init__(self, api: KubeApi, now_s: Callable[[], float]) -> None:
        self._api = api
        self._now_s = now_s

    async def read(
        self, names: Names, children: Mapping[Child, Manifest], leaderless_s: float, state: EgressState
    ) -> tuple[str, ...] | None:
        """Return the names of others' policies that isolate the members for egress, None if they were not read."""
        is_granted = grants_egress(children.get(Child.NETWORK_POLICY))
        stateful_set = children.get(Child.STATEFUL_SET)
        if stateful_set is None or (not is_granted and leaderless_s < PATIENCE_S):
            state.read_s, state.policies = float("-inf"), None
            return None
        if self._now_s() - state.read_s >= (REVIEW_EVERY_S if is_granted else READ_EVERY_S):
            labels = stateful_set["spec"]["template"]["metadata"]["labels"]
            listing = await self._api.list(NETWORK_POLICIES, names.namespace)
            others = (each for each in listing.items if each["metadata"]["name"] != names.network_policy)
            state.policies = tuple(sorted(each["metadata"]["name"] for each in others if isolates(each, labels)))
            state.read_s = self._now_s()
        return state.policies


def isolates(policy: Manifest, labels: Mapping[str, str]) -> bool:
    """Return whether the policy denies a pod with these labels the egress that no policy allows."""
    spec = policy["spec"]
    types = spec.get("policyTypes") or ([EGRESS] if spec.get("egress") else [])
    return EGRESS in types and _selects(spec.get("podSelector") or {}, labels)


def _selects(selector: Manifest, labels: Mapping[str, str]) -> bool:
    expressions = selector.get("matchExpressions") or ()
    wanted: dict[str, str] = selector.get("matchLabels") or {}
    return wanted.items() <= labels.items() and all(_holds(each, labels) for each in expressions)


def _holds(expression: dict[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None
