"""What a kind of object must offer to be kept equal with a subtree. Pure.

An end is a state with a version that can be read, a conditional write, and a place for the merge base that is written
with the data. `resourceVersion`, merge patches and annotations are the same for every kind; a module of this package
says where the values stand in an object, and what else the API server asks of it.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Protocol

from zkoperator.kube.port import Resource

Entry = tuple[str, bytes, bool]
"""One value of an object: key, value, and whether it stands in the field for what is no text."""


class End(Protocol):
    """A kind of object."""

    @property
    def resource(self) -> Resource:
        """The kind, as the API serves it."""

    @property
    def is_secret(self) -> bool:
        """Whether its values are secrets, so that digests of them are keyed, and the installation must grant it."""

    def entries(self, manifest: Mapping[str, Any]) -> Iterator[Entry]:
        """Yield every value of the object."""

    def value_of(self, manifest: Mapping[str, Any], key: str) -> bytes:
        """Return one value.

        Raises:
            KeyError: the object has no such key.
        """

    def fields(self, values: Mapping[str, bytes | None], binary_now: Mapping[str, bool]) -> dict[str, Any]:
        """Return the fields of a merge patch that set these values; None removes the key.

        `binary_now`: key -> whether it stands in the field for what is no text today. Of a new object, the same fields
        are its content.
        """

    def other_fields(self) -> dict[str, Any]:
        """Return what a new object has beside metadata and values."""

    def misfit(self, manifest: Mapping[str, Any]) -> str:
        """Return why this object cannot be the end, with the way out; "" if it can."""

    def type_of(self, manifest: Mapping[str, Any]) -> str:
        """Return the type of the object, "" where the kind has none."""

    def lacking(self, type_: str | None, keys: Collection[str]) -> str:
        """Return what an object of this type (None: a new one) would lack with exactly these keys; "" for nothing."""
