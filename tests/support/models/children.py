"""A spec that asks for a child, and one child of each kind."""

from typing import Any

from zkoperator.ensemble.build.children import EXTERNAL_OF, Child

ONE_OF_EACH = [child for child in Child if child not in EXTERNAL_OF.values() or child is EXTERNAL_OF[1]]
"""The Services for single members are built alike: the first one stands for all of them."""


def asking_for(child: Child) -> dict[str, Any]:
    """Return the fields of a spec that has the child, and all others that can be there beside it."""
    access = {"type": "NodePort", "plaintext": "Allowed", "perMember": child in EXTERNAL_OF.values()}
    return {"observers": {"replicas": 1}, "externalAccess": access}


def exist_with(child: Child) -> list[Child]:
    """Return the children of a cluster of one member with that spec."""
    members = EXTERNAL_OF.values() if child not in EXTERNAL_OF.values() else [Child.EXTERNAL]
    return [each for each in ONE_OF_EACH if each not in members]
