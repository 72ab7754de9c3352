"""Which members of a cluster a command means."""

from collections.abc import Iterable, Sequence
from typing import Final

from zkoperator.cli.view.objects import fetch
from zkoperator.ensemble.model.names import Names, selector_text
from zkoperator.errors import FieldError, InvalidError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import PODS, ZOOKEEPER_CLUSTERS, Manifest

MEMBER: Final = "a member, by its pod or its ordinal (main-zk-1 or 1)"


async def pods_of(api: KubeClient, namespace: str, cluster: str, words: Sequence[str] = ()) -> tuple[Manifest, ...]:
    """Return the pods of the cluster in their order, or those that the words name.

    Raises:
        InvalidError: there is no such cluster, or no such member.
    """
    await fetch(api, ZOOKEEPER_CLUSTERS, namespace, cluster)
    names = Names(namespace, cluster)
    found = await api.list(PODS, namespace, labels=selector_text(names.selector))
    return chosen(found.items, names, words)


def chosen(pods: Iterable[Manifest], names: Names, words: Sequence[str]) -> tuple[Manifest, ...]:
    """Return the pods that the words name, all of them without a word."""
    known = {name_of(pod): pod for pod in sorted(pods, key=_ordinal)}
    wanted = [names.pod(int(word) + 1) if word.isdecimal() else word for word in words] or list(known)
    listed = f"its members are {', '.join(known)}" if known else "it has no pods yet; `plan` says why"
    errors = tuple(
        FieldError(word, f"is no member of {names.cluster}; {listed}") for word in wanted if word not in known
    )
    if errors or not known:
        raise InvalidError(errors or (FieldError(names.cluster, listed),))
    return tuple(known[word] for word in wanted)


def name_of(pod: Manifest) -> str:
    """Return the name of a pod."""
    return str(pod["metadata"]["name"])


def is_ready(pod: Manifest) -> bool:
    """Return whether the pod is ready and stays."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    is_going = "deletionTimestamp" in pod["metadata"]
    return not is_going and any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def _ordinal(pod: Manifest) -> tuple[int, str]:
    name = name_of(pod)
    last = name.rpartition("-")[2]
    return (int(last) if last.isdecimal() else 0, name)
