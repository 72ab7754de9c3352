"""What the owner of a ZooKeeperCluster grants to other namespaces."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, TypeAdapter, ValidationError

from zkoperator.api.meta import Model
from zkoperator.api.rules import Rule, Rules
from zkoperator.api.selector import LabelSelector
from zkoperator.api.sync_fields import ZnodePath
from zkoperator.api.types import LabelName, ObjectName

NAMESPACE_WORD = "{namespace}"
"""Stands for the name of the namespace, as a whole name in a granted path."""


class GrantAccess(StrEnum):
    """What objects of a granted namespace may do."""

    READ_ONLY = "ReadOnly"
    """A ConfigSync pulls: direction `ZooKeeperToConfigMap`."""
    READ_WRITE = "ReadWrite"
    """A ConfigSync pulls and pushes, a ZNode has its path."""


def _has_no_other_braces(path: str) -> bool:
    return not any(set("{}") & set(name) for name in path.split("/") if name != NAMESPACE_WORD)


class GrantedNamespaces(Model):
    """The namespaces of a grant: those that are named, and those that the selector selects."""

    rules: ClassVar = (
        Rule(
            "write names, selector or both: a grant without them is for nobody",
            cel="(has(self.names) && self.names.size() > 0) || has(self.selector)",
            holds=lambda asked: bool(asked.names) or asked.selector is not None,
        ),
    )

    names: Annotated[tuple[LabelName, ...], Field(max_length=64)] = ()
    """Names of namespaces."""
    selector: LabelSelector | None = None
    """Selects namespaces by their labels. The operator needs the right to read namespaces for it."""


class Grant(Model):
    """Permits ConfigSyncs and ZNodes of other namespaces to use subtrees of the ensemble."""

    name: ObjectName
    """Name of the grant, for people."""
    namespaces: GrantedNamespaces
    """The namespaces that the grant is for."""
    paths: Annotated[
        tuple[
            Annotated[
                ZnodePath,
                Rules(
                    Rule(
                        f"write {NAMESPACE_WORD} as a whole name, and no other braces, such as /apps/{NAMESPACE_WORD}",
                        cel=r"!self.replace('/{namespace}', '').matches(r'[{}]')",
                        holds=_has_no_other_braces,
                    )
                ),
            ],
            ...,
        ],
        Field(min_length=1, max_length=16),
    ]
    """Absolute paths of znodes; each permits the znode and all below it. The name `{namespace}` in a path stands for
    the name of the namespace that asks."""
    access: GrantAccess = GrantAccess.READ_ONLY
    """What is permitted there."""


_GRANTS: Final = TypeAdapter(tuple[Grant, ...])


def grants_of(cluster: dict[str, Any]) -> tuple[Grant, ...]:
    """Return the grants in the spec of a raw ZooKeeperCluster, none where they are not valid."""
    try:
        return _GRANTS.validate_python(cluster["spec"].get("grants") or ())
    except ValidationError:
        return ()
