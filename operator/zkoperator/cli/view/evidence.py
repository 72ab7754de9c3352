"""Collects what a report has: objects, Events, logs and metrics, as texts by the name of their file. I/O."""

from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from zkoperator.cli.view.generated_files import to_yaml
from zkoperator.cli.view.redaction import redacted, scrubbed
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.names import CHILD_LABELS, CONTAINER, METRICS_PORT, selector_text
from zkoperator.errors import ZkOperatorError
from zkoperator.kube.port import (
    CERTIFICATES,
    CONFIG_MAPS,
    CONFIG_SYNCS,
    DEPLOYMENTS,
    EVENTS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    ZOOKEEPER_CLUSTERS,
    KubeApi,
    Listing,
    Manifest,
    Resource,
)
from zkoperator.mirror.validate import target_of

_CHILDREN = (*dict.fromkeys(child.resource for child in Child), PODS, PERSISTENT_VOLUME_CLAIMS)
T = TypeVar("T")

_OPERATOR = {"app.kubernetes.io/name": "zkoperator"}
_LINES = 5000


class Source(KubeApi, Protocol):
    """What is read: objects, and the texts of pods."""

    async def text(
        self, resource: Resource, namespace: str, name: str, subresource: str, params: dict[str, str] = ...
    ) -> str:
        """Return what a subresource answers as plain text."""


@dataclass
class Evidence:
    """What was found: texts by the name of their file, the objects of both kinds, and what could not be read."""

    files: dict[str, str] = field(default_factory=dict)
    clusters: list[Manifest] = field(default_factory=list)
    syncs: list[Manifest] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def add(self, folder: str, resource: Resource, objects: Iterable[Manifest]) -> None:
        """Add objects of one kind, redacted."""
        for raw in objects:
            self.files[f"{folder}{resource.plural}/{raw['metadata']['name']}.yaml"] = to_yaml([redacted(raw)])


class Collector:
    """Reads one namespace, or the objects of one name in it. A part that may not be read is noted, and left out.

    Args:
        api: the Kubernetes API.
        namespace: to read.
        name: of a cluster or ConfigSync; "" for all.
    """

    def __init__(self, api: Source, namespace: str, name: str = "") -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._found = Evidence()

    async def collect(self) -> Evidence:
        """Return what was found.

        Raises:
            ZkOperatorError: the objects of both kinds cannot be listed; without them there is nothing to report.
        """
        found = self._found
        found.clusters = self._named(await self._api.list(ZOOKEEPER_CLUSTERS, self._namespace))
        found.syncs = self._named(await self._api.list(CONFIG_SYNCS, self._namespace))
        found.add("", ZOOKEEPER_CLUSTERS, found.clusters)
        found.add("", CONFIG_SYNCS, found.syncs)
        await self._children()
        await self._targets()
        await self._events()
        for home in sorted({self._home(raw) for raw in (*found.clusters, *found.syncs)} - {""}):
            await self._operator(home)
        return found

    def _named(self, listing: Listing) -> list[Manifest]:
        return [raw for raw in listing.items if self._name in ("", raw["metadata"]["name"])]

    async def _children(self) -> None:
        for raw in self._found.clusters:
            labels = selector_text({**CHILD_LABELS, "app.kubernetes.io/instance": raw["metadata"]["name"]})
            for resource in _kinds_of(raw):
                listed = await self._try(self._api.list(resource, self._namespace, labels=labels))
                objects = listed.items if listed is not None else ()
                self._found.add("", resource, objects)
                if resource is PODS:
                    for pod in objects:
                        await self._member(pod)

    async def _member(self, pod: Manifest) -> None:
        name, asked = pod["metadata"]["name"], {"container": CONTAINER, "tailLines": str(_LINES)}
        await self._log("logs/", self._namespace, name, asked)
        if not _is_first_start(pod):
            await self._log("logs/previous/", self._namespace, name, asked | {"previous": "true"})
        metrics = self._api.text(PODS, self._namespace, f"{name}:{METRICS_PORT}", "proxy/metrics")
        if (text := await self._try(metrics)) is not None:
            self._found.files[f"metrics/{name}.txt"] = scrubbed(text)

    async def _log(self, folder: str, namespace: str, pod: str, asked: dict[str, str]) -> None:
        if (text := await self._try(self._api.text(PODS, namespace, pod, "log", asked))) is not None:
            self._found.files[f"{folder}{pod}.log"] = scrubbed(text)

    async def _targets(self) -> None:
        """Add the ConfigMaps of the ConfigSyncs: the names and sizes of their keys. No Secret is read."""
        for raw in self._found.syncs:
            resource, name = target_of(raw) or (CONFIG_MAPS, raw["metadata"]["name"])
            if resource is not CONFIG_MAPS:
                continue
            named = (raw.get("status") or {}).get("configMap")
            read = self._api.get(CONFIG_MAPS, self._namespace, named or name)
            if (target := await self._try(read)) is not None:
                self._found.add("", CONFIG_MAPS, [target])

    async def _events(self) -> None:
        listed = await self._try(self._api.list(EVENTS, self._namespace))
        known = {name.rpartition("/")[2].removesuffix(".yaml") for name in self._found.files}
        about = [raw for raw in (listed.items if listed else ()) if (raw.get("regarding") or {}).get("name") in known]
        if about:
            self._found.files["events.yaml"] = to_yaml(map(redacted, about))

    async def _operator(self, namespace: str) -> None:
        labels = selector_text(_OPERATOR)
        for resource in (DEPLOYMENTS, PODS):
            listed = await self._try(self._api.list(resource, namespace, labels=labels))
            objects = listed.items if listed is not None else ()
            self._found.add(f"operator/{namespace}/", resource, objects)
            for pod in objects if resource is PODS else ():
                name = pod["metadata"]["name"]
                await self._log(f"operator/{namespace}/logs/", namespace, name, {"tailLines": str(_LINES)})

    @staticmethod
    def _home(raw: Manifest) -> str:
        return str((raw.get("status") or {}).get("operator") or "").partition("/")[0]

    async def _try(self, reading: Awaitable[T]) -> T | None:
        try:
            return await reading
        except ZkOperatorError as error:
            self._found.missing.append(str(error))
            return None


def _is_first_start(pod: Manifest) -> bool:
    """Whether the member was never started again in its pod, so that there is no earlier log to miss."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return any(each.get("name") == CONTAINER and each.get("restartCount") == 0 for each in statuses)


def _kinds_of(cluster: Manifest) -> tuple[Resource, ...]:
    """Return the kinds of children, Certificates of cert-manager only where the spec asks for some."""
    tls = (cluster.get("spec") or {}).get("tls") or {}
    asked = [part for part in tls.values() if (part.get("certificate") or {}).get("issuerRef")]
    return (*_CHILDREN, CERTIFICATES) if asked else _CHILDREN
