"""What an HTTP request to the Kubernetes API means: verb, resource, namespace, name."""

from collections.abc import Mapping
from dataclasses import dataclass

APPLY = "application/apply-patch+yaml"
MUTATING = frozenset({"create", "update", "patch", "apply", "delete", "deletecollection"})
# Creating one of these changes nothing on the server.
QUESTIONS = frozenset({"selfsubjectaccessreviews", "subjectaccessreviews", "tokenreviews", "selfsubjectreviews"})


@dataclass(frozen=True, slots=True)
class KubeRequest:
    """One request; `resource` carries the subresource (`pods/status`) and is empty for paths that are no resource.

    `labels` is the selector of a list or watch as it was written.
    """

    verb: str
    resource: str
    namespace: str
    name: str
    path: str
    dry_run: bool = False
    labels: str = ""

    @property
    def mutates(self) -> bool:
        return self.verb in MUTATING and not self.dry_run and self.resource not in QUESTIONS

    @property
    def target(self) -> str:
        return "/".join(part for part in (self.resource, self.namespace, self.name) if part)


@dataclass(frozen=True, slots=True)
class KubeLine:
    """One line of a watch."""

    type: str
    resource: str
    namespace: str
    name: str


def parse(method: str, path: str, query: Mapping[str, str], content_type: str) -> KubeRequest:
    """Read the meaning of a request from its line and headers."""
    namespace, resource, name, subresource = _split(path)
    verb = _verb(method, name, query, content_type)
    full = f"{resource}/{subresource}" if subresource else resource
    return KubeRequest(verb, full, namespace, name, path, "dryRun" in query, query.get("labelSelector", ""))


def _split(path: str) -> tuple[str, str, str, str]:
    """Namespace, resource, name, subresource; all empty for a path that names no resource."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) > 2:
        rest = parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        rest = parts[3:]
    else:
        return "", "", "", ""
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource, *_ = [*rest, "", ""]
    return namespace, resource, name, subresource


def _verb(method: str, name: str, query: Mapping[str, str], content_type: str) -> str:
    if method == "GET":
        if query.get("watch") in ("true", "1"):
            return "watch"
        return "get" if name else "list"
    if method == "PATCH":
        return "apply" if content_type.startswith(APPLY) else "patch"
    if method == "DELETE":
        return "delete" if name else "deletecollection"
    return {"POST": "create", "PUT": "update"}.get(method, method.lower())
