"""The ConfigSync as this process last read or wrote it. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zkoperator.api.meta import Model
from zkoperator.api.parse import parse
from zkoperator.api.sync import ConfigSyncStatus
from zkoperator.kube.port import Manifest, without_managers
from zkoperator.mirror.validate import ValidatedSync, validate


@dataclass(slots=True)
class ResourceState:
    """One ConfigSync without its `managedFields`. The code that reads or writes it notes each answer with `saw`."""

    is_stale: bool = True
    """Whether it must be read again before the next decision."""
    read_s: float = float("-inf")
    """When it was last read, in monotonic seconds."""
    uid: str = ""
    """The uid of the object as last read or written, "" before that."""
    version: str = ""
    """The resourceVersion of the object as last read or written, "" before that."""
    _raw: Mapping[str, Any] | None = None
    """The manifest, None while only its text is kept."""
    _text: bytes = b"{}"
    """The manifest as JSON, b"" while it has not been encoded."""
    _validated: ValidatedSync | None = None
    """The validated manifest, None until it is needed."""

    @property
    def raw(self) -> Mapping[str, Any]:
        """The manifest as last read or written, empty before that."""
        if self._raw is None:
            self._raw = json.loads(self._text)
        return self._raw

    def saw(self, raw: Manifest) -> None:
        """Note the object from an answer of the API server."""
        self._raw, self._text = without_managers(raw), b""
        self.uid = _uid_of(raw)
        self.version = str(raw["metadata"].get("resourceVersion", ""))
        self._validated = None

    def is_of_another(self, raw: Manifest) -> bool:
        """Return whether the known object is an earlier one with the same name."""
        return self.uid not in ("", _uid_of(raw))

    def validated(self) -> ValidatedSync:
        """Return the typed ConfigSync. It is validated once for each version.

        Raises:
            InvalidError: the manifest is invalid. It lists every error.
        """
        if self._validated is None:
            self._validated = validate(self.raw)
        return self._validated

    def status(self) -> ConfigSyncStatus:
        """Return the status as last written, even when the spec is invalid."""
        if self._validated is not None:
            return self._validated.status
        parsed = parse(_StatusOnly, {"status": self.raw.get("status") or {}})
        return ConfigSyncStatus() if isinstance(parsed, tuple) else parsed.status

    def compact(self) -> None:
        """Keep only the JSON text, which takes a sixth of the memory, until the object is needed again."""
        if self._raw is not None:
            self._text = self._text or json.dumps(self._raw).encode()
        self._raw = self._validated = None

    def is_compact(self) -> bool:
        """Return whether only the JSON text is kept."""
        return self._raw is None and self._validated is None


class _StatusOnly(Model):
    """The part of a ConfigSync that only the operator writes."""

    status: ConfigSyncStatus = ConfigSyncStatus()


def _uid_of(raw: Manifest) -> str:
    return str(raw["metadata"].get("uid", ""))
