"""Whether members have too little memory, while they still serve. Pure."""

from datetime import datetime, timedelta

from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.validate import ValidatedCluster, beside_heap_mib

REMEMBERED = timedelta(hours=1)
"""For how long a member that is back is said to have been killed for lack of memory."""

FULL_PERCENT = 60
"""Share of the heap above which the tree leaves too little for requests, and for the collection of what they leave."""

ZNODE_BYTES = 400
"""What a znode takes in the heap beside its path and data."""

_MEBIBYTE = 1024 * 1024
_ADVICE = "raise spec.resources.limits.memory"


def memory_warnings(cluster: ValidatedCluster, observed: Observed, now: str) -> tuple[str, ...]:
    """Return a sentence about members that were killed lately, and one about those whose data outgrows the heap.

    The sentences have no number that changes with every observation, because each new sentence becomes an Event.

    Args:
        cluster: the validated cluster.
        observed: what was observed.
        now: the time of day, RFC 3339.
    """
    killed = [
        f"{pod.name} was OOMKilled at {pod.out_of_memory_at}: {_ADVICE}"
        for _, pod in sorted(observed.all_pods.items())
        if pod.out_of_memory_at and not pod.trouble and _is_recent(pod.out_of_memory_at, now)
    ]
    full = [cluster.names.pod(member) for member in sorted(observed.all_pods) if _is_full(cluster, observed, member)]
    if not full:
        return tuple(killed)
    outgrown = f"the data takes more than {FULL_PERCENT} % of the heap of {', '.join(full)}: {_ADVICE}"
    return (*killed, outgrown)


def _is_recent(when: str, now: str) -> bool:
    try:
        return datetime.fromisoformat(now) - datetime.fromisoformat(when) < REMEMBERED
    except ValueError:
        return True


def _is_full(cluster: ValidatedCluster, observed: Observed, member: int) -> bool:
    """Return whether the member reports that it holds too much; False if it reports nothing."""
    answer = observed.serving(member)
    if answer is None or answer.znodes is None or answer.data_bytes is None:
        return False
    pod = observed.pod(member)
    heap = _heap_bytes(cluster.of(member), pod.memory_bytes if pod is not None else None)
    return answer.data_bytes + answer.znodes * ZNODE_BYTES > heap * FULL_PERCENT // 100


def _heap_bytes(cluster: ValidatedCluster, limit: int | None) -> int:
    """Return the heap as the start procedure computes it; `limit` is that of the container, None without one."""
    if limit is None:
        return cluster.heap_mib * _MEBIBYTE
    return (limit - beside_heap_mib(cluster.spec) * _MEBIBYTE) * cluster.spec.jvm.heap_percent // 100
