"""What a ZooKeeperCluster grants to another namespace. Pure."""

from collections.abc import Mapping

from zkoperator.api.grant import NAMESPACE_WORD, Grant, GrantAccess
from zkoperator.api.selector import LabelRequirement, LabelSelector, SelectorOperator


def permitting(
    grants: tuple[Grant, ...], namespace: str, labels: Mapping[str, str], access: GrantAccess
) -> tuple[Grant, ...]:
    """Return the grants for a namespace with these labels that permit the access."""
    enough = {access, GrantAccess.READ_WRITE}
    return tuple(grant for grant in grants if grant.access in enough and _is_for(grant, namespace, labels))


def outside(grants: tuple[Grant, ...], namespace: str, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Return the paths that none of the grants covers for the namespace."""
    roots = [path.replace(NAMESPACE_WORD, namespace) for grant in grants for path in grant.paths]
    return tuple(path for path in paths if not any(_covers(root, path) for root in roots))


def asks_for_labels(grants: tuple[Grant, ...], namespace: str) -> bool:
    """Return whether the labels of the namespace decide about a grant."""
    return any(grant.namespaces.selector is not None and namespace not in grant.namespaces.names for grant in grants)


def _is_for(grant: Grant, namespace: str, labels: Mapping[str, str]) -> bool:
    asked = grant.namespaces
    return namespace in asked.names or (asked.selector is not None and _selects(asked.selector, labels))


def _covers(root: str, path: str) -> bool:
    return root == "/" or path == root or path.startswith(f"{root}/")


def _selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    wanted = (selector.match_labels or {}).items()
    return wanted <= labels.items() and all(_meets(one, labels) for one in selector.match_expressions or ())


def _meets(requirement: LabelRequirement, labels: Mapping[str, str]) -> bool:
    """A namespace without the label meets NotIn, as everywhere in Kubernetes."""
    value, values = labels.get(requirement.key), requirement.values or ()
    match requirement.operator:
        case SelectorOperator.IN:
            return value is not None and value in values
        case SelectorOperator.NOT_IN:
            return value is None or value not in values
        case SelectorOperator.EXISTS:
            return value is not None
        case SelectorOperator.DOES_NOT_EXIST:
            return value is None
