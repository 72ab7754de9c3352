"""PodDisruptionBudgets as the disruption controller counts them and the Eviction API spends them."""

from collections.abc import Iterable

from zkoperator.errors import ConflictError
from zkoperator.kube.port import BudgetSpentError, Manifest, ManyBudgetsError


def covering(budgets: Iterable[Manifest], pod: Manifest) -> Manifest | None:
    """Return the budget of a pod, None when it has none."""
    found = [budget for budget in budgets if covers(budget, pod)]
    if len(found) > 1:
        raise ManyBudgetsError(f"{pod['metadata']['name']} has {len(found)} budgets")
    return found[0] if found else None


def covers(budget: Manifest, pod: Manifest) -> bool:
    """Whether the budget is one of this pod."""
    meta, selector = pod["metadata"], budget["spec"]["selector"]["matchLabels"]
    same = meta["namespace"] == budget["metadata"]["namespace"]
    return bool(same and selector.items() <= (meta.get("labels") or {}).items())


def counted(budget: Manifest, pods: Iterable[Manifest], sets: Iterable[Manifest]) -> Manifest:
    """Return the status that the controller writes when it has seen all of this."""
    covered = [pod for pod in pods if covers(budget, pod)]
    expected, wanted = _needs(budget, covered, sets)
    disrupted = (budget.get("status") or {}).get("disruptedPods") or {}
    there = {pod["metadata"]["name"] for pod in covered if "deletionTimestamp" not in pod["metadata"]}
    healthy = sum(is_ready(pod) and pod["metadata"]["name"] in there - disrupted.keys() for pod in covered)
    return {
        "observedGeneration": budget["metadata"]["generation"],
        "currentHealthy": healthy,
        "desiredHealthy": wanted,
        "expectedPods": expected,
        "disruptionsAllowed": max(0, healthy - wanted) if expected else 0,
        # A pod that was evicted is gone by now; what was counted for one that is there after all is given back late.
        "disruptedPods": dict.fromkeys(disrupted),
    }


def spent(budget: Manifest, pod: Manifest) -> Manifest:
    """Return the status after one more eviction, an empty one when the pod does not count."""
    name, status = budget["metadata"]["name"], budget.get("status") or {}
    healthy, wanted = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    if not is_ready(pod):
        policy = budget["spec"].get("unhealthyPodEvictionPolicy", "IfHealthyBudget")
        if policy == "AlwaysAllow" or healthy >= wanted > 0:
            return {}
    if status.get("observedGeneration", 0) < budget["metadata"]["generation"]:
        raise BudgetSpentError(f"The disruption budget {name} is still being processed by the server.")
    if status["disruptionsAllowed"] == 0:
        raise BudgetSpentError(f"The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently")
    return {
        "disruptionsAllowed": status["disruptionsAllowed"] - 1,
        "disruptedPods": {pod["metadata"]["name"]: "2026-01-01T00:00:00Z"},
    }


def is_ready(pod: Manifest) -> bool:
    """Whether the kubelet says that the pod is ready."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def require(pod: Manifest, uid: str | None, version: str | None) -> None:
    """Hold the preconditions of an eviction against the pod, which the server does after it has spent the budget."""
    meta = pod["metadata"]
    if uid not in (None, meta["uid"]) or version not in (None, meta["resourceVersion"]):
        raise ConflictError(f"precondition failed: pod {meta['name']} is {meta['uid']} at {meta['resourceVersion']}")


def _needs(budget: Manifest, pods: list[Manifest], sets: Iterable[Manifest]) -> tuple[int, int]:
    """Return how many pods are expected, and how many of them must be healthy."""
    if "minAvailable" in budget["spec"]:
        return len(pods), int(budget["spec"]["minAvailable"])
    owners = {ref["uid"] for pod in pods for ref in pod["metadata"].get("ownerReferences") or ()}
    expected = sum(int(each["spec"]["replicas"]) for each in sets if each["metadata"]["uid"] in owners)
    return expected, max(0, expected - int(budget["spec"]["maxUnavailable"]))
