"""What each ConfigSync of a manifest would write once it is applied, from a fresh look at both sides. I/O."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from zkoperator.api.parse import parse
from zkoperator.api.sync import ConfigSync
from zkoperator.cli.view.differences import Differences, differences
from zkoperator.cli.view.findings import Finding, Severity, finding, findings_of, place_of
from zkoperator.cli.view.manifests import Document
from zkoperator.cli.view.proposals import as_applied, config_map_as_applied, config_map_errors, refused_changes
from zkoperator.cli.view.proposed_kube import Place, ProposedKube
from zkoperator.cli.view.usage import FINDINGS, exit_status
from zkoperator.errors import FieldError, InvalidError, ZkOperatorError
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, KubeApi, Manifest, Resource
from zkoperator.mirror.plan.plan import Plan
from zkoperator.mirror.validate import ValidatedSync, target_of

FreshPlan = Callable[[KubeApi, Manifest], Awaitable[tuple[ValidatedSync, Plan]]]
"""Returns a ConfigSync, and what a pass would do with it now."""

_RESOURCES: Final[Mapping[str, Resource]] = {"ConfigSync": CONFIG_SYNCS, "ConfigMap": CONFIG_MAPS}


@dataclass(frozen=True, slots=True)
class Compared:
    """One ConfigSync of the manifest.

    Args:
        namespace, name: where it would be.
        is_new: whether there is none of this name yet.
        findings: why it would be refused; nothing is compared then.
        found: what would be written.
        failure: why nothing could be compared.
        status: the exit status of this one.
    """

    namespace: str
    name: str
    is_new: bool = False
    findings: tuple[Finding, ...] = ()
    found: Differences | None = None
    failure: str = ""
    status: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the value as JSON types."""
        head = {"namespace": self.namespace, "name": self.name, "new": self.is_new, "failure": self.failure}
        errors = [item.to_json() for item in self.findings]
        return {**head, "findings": errors, **(self.found.to_json() if self.found is not None else {})}


def is_compared(document: Document) -> bool:
    """Whether the object is a ConfigSync of any version, or a ConfigMap."""
    kind, version = document.value.get("kind"), document.value.get("apiVersion")
    return kind == "ConfigSync" or (kind == "ConfigMap" and version == "v1")


class FileDiff:
    """Compares the ConfigSyncs of one input.

    Args:
        api: the API server.
        namespace: of objects that name none.
        make_plan: looks at both sides.
    """

    def __init__(self, api: KubeApi, namespace: str, make_plan: FreshPlan) -> None:
        self._api = api
        self._namespace = namespace
        self._make_plan = make_plan
        self._proposed: dict[Place, Manifest] = {}
        self._refused: dict[Place, tuple[Finding, ...]] = {}
        self._files: dict[Place, str] = {}
        self._new: set[Place] = set()

    async def compare(self, documents: Iterable[Document]) -> list[Compared]:
        """Return what would be written, in the order of the manifest. Its ConfigMaps count as applied, too."""
        places = [await self._propose(document) for document in documents if is_compared(document)]
        syncs = dict.fromkeys(place for place in places if place[0] is CONFIG_SYNCS)
        return [await self._compared(place) for place in syncs]

    async def _propose(self, document: Document) -> Place:
        own, name = place_of(document.value)
        resource, namespace = _RESOURCES[str(document.value["kind"])], own or self._namespace
        place = resource, namespace, name
        errors = _errors(document)
        live = await self._api.get(resource, namespace, name) if not errors else None
        if not errors and resource is CONFIG_SYNCS:
            self._proposed[place] = as_applied(document, live, namespace)
            errors = _refused(document, live, self._proposed[place])
        elif not errors:
            self._proposed[place] = config_map_as_applied(document, live, namespace)
        self._refused[place], self._files[place] = errors, document.file
        if live is None:
            self._new.add(place)
        return place

    async def _compared(self, place: Place) -> Compared:
        _, namespace, name = place
        whole = Compared(namespace, name, is_new=place in self._new)
        resource, target_name = target_of(self._proposed.get(place, {})) or (CONFIG_MAPS, "")
        target = resource, namespace, target_name
        findings = (*self._refused[place], *self._refused.get(target, ()))
        if findings:
            return replace(whole, findings=findings, status=FINDINGS)
        try:
            sync, plan = await self._make_plan(ProposedKube(self._api, self._proposed), self._proposed[place])
        except ZkOperatorError as error:
            return replace(whole, failure=_failure(error), status=exit_status(error))
        found = differences(plan, sync.mode, sync.status, sync.target)
        if target in self._proposed:
            note = f"{sync.target} is compared as {self._files[target]} would leave it"
            found = replace(found, notes=(*found.notes, note))
        return replace(whole, found=found, status=0 if found.is_equal else FINDINGS)


def _errors(document: Document) -> tuple[Finding, ...]:
    if document.value.get("kind") == "ConfigMap":
        return tuple(finding(document, error) for error in config_map_errors(document))
    return tuple(item for item in findings_of(document) if item.severity is Severity.ERROR)


def _refused(document: Document, live: Manifest | None, proposed: Manifest) -> tuple[Finding, ...]:
    old = parse(ConfigSync, live) if live is not None else ()
    new = parse(ConfigSync, proposed)
    if isinstance(old, tuple) or isinstance(new, tuple):
        return ()
    return tuple(finding(document, error) for error in refused_changes(old, new))


def _failure(error: ZkOperatorError) -> str:
    return "; ".join(error.message for error in error.errors) if isinstance(error, InvalidError) else str(error)


def no_sync(files: Iterable[str]) -> tuple[FieldError, ...]:
    """Return what to say when there is no ConfigSync in the files."""
    return (FieldError(", ".join(files), "has no ConfigSync; -f compares those of a manifest"),)
