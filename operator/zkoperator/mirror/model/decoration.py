"""Labels and annotations that a ConfigMap is to have. Pure."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

from zkoperator.mirror.model.names import BASE_ANNOTATION, INPUTS_ANNOTATION, ZXID_ANNOTATION
from zkoperator.zk.snapshot import digest_of

_OWN = frozenset({BASE_ANNOTATION, INPUTS_ANNOTATION, ZXID_ANNOTATION})
_LABEL, _ANNOTATION = "label ", "annotation "
BASE_MARK: Final = _ANNOTATION + BASE_ANNOTATION
"""The name of the merge base among those of labels and annotations."""
ZXID_MARK: Final = _ANNOTATION + ZXID_ANNOTATION
"""The name of the zxid among them."""
INPUTS_MARK: Final = _ANNOTATION + INPUTS_ANNOTATION
"""The name of the inputs of rendered files among them."""


@dataclass(frozen=True, slots=True)
class Decoration:
    """Labels and annotations by their names."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.labels or self.annotations)

    @property
    def annotation_bytes(self) -> int:
        """Bytes of the annotations, names included."""
        return sum(len(name.encode()) + len(value.encode()) for name, value in self.annotations.items())

    def missing(self, marks: Mapping[str, bytes]) -> "Decoration":
        """Return the marks that an object with these marks lacks, or has with other values."""
        return Decoration(
            {name: value for name, value in self.labels.items() if marks.get(_LABEL + name) != _mark(value)},
            {name: value for name, value in self.annotations.items() if marks.get(_ANNOTATION + name) != _mark(value)},
        )

    def names(self) -> frozenset[str]:
        """Return the name of each, with its kind, as a message shows it."""
        return frozenset((*(_LABEL + name for name in self.labels), *(_ANNOTATION + name for name in self.annotations)))

    def without(self, names: AbstractSet[str]) -> "Decoration":
        """Return the marks whose names are not in `names`."""
        return Decoration(
            {name: value for name, value in self.labels.items() if _LABEL + name not in names},
            {name: value for name, value in self.annotations.items() if _ANNOTATION + name not in names},
        )


NO_DECORATION: Final = Decoration()


def marks_of(meta: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the labels and annotations of an object's metadata, without the operator's own, as short digests."""
    marks = {_LABEL + name: _mark(value) for name, value in (meta.get("labels") or {}).items()}
    annotations = (meta.get("annotations") or {}).items()
    return marks | {_ANNOTATION + name: _mark(value) for name, value in annotations if name not in _OWN}


def _mark(value: str) -> bytes:
    return digest_of(value.encode())[:8]
