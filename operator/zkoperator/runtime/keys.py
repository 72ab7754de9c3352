"""The name under which an object is reconciled. Pure."""

from typing import NamedTuple


class Key(NamedTuple):
    """Namespace and name of one custom resource."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
