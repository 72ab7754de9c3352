"""The newest known version of a ConfigMap or Secret: the informer's, or a later one that this process knows. Pure.

Every write is conditional, so it replaces exactly one known version. An informer that still has a replaced version is
late. When versions are numbers, a lower number is late too. This is only a hint that avoids conflicts; no write relies
on it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from zkoperator.mirror.model.config_map import Content, content_of
from zkoperator.mirror.model.ends.config_map import CONFIG_MAP_END
from zkoperator.mirror.model.file_format import FileFormat, FileView, view_of
from zkoperator.mirror.model.merge_base import Base, decode_base
from zkoperator.mirror.model.names import BASE_ANNOTATION
from zkoperator.mirror.model.seal import PLAIN_SEAL, Seal
from zkoperator.mirror.validate import Target

_MAX_AGE_S = 60.0
_NO_TARGET = Target(CONFIG_MAP_END, "")


@dataclass(slots=True)
class ConfigMapCache:
    """What one ConfigSync knows about its ConfigMap beside the informer's store. Times are monotonic seconds."""

    _latest: Mapping[str, Any] | None = None
    _replaced: set[str] = field(default_factory=set)
    _at_s: float = 0.0
    _content: Content | None = None
    _base: tuple[str, Base | None] = ("", None)
    _view: FileView | None = None
    """What the version of `_content` has in the file, where there is one."""
    _target: Target = _NO_TARGET
    _format: FileFormat | None = None
    _seal: Seal = PLAIN_SEAL
    _carried: str = ""
    must_read: bool = False
    deleted_s: float | None = None
    """Since when the ConfigMap has been gone, None while it exists."""

    def is_named(self, target: Target, given: FileFormat | None, seal: Seal) -> None:
        """Set the target and its format. A new one clears the versions. The last merge base stays valid.

        The first version is read from the API server, because the first list of an informer may be late.
        """
        if (target, given, seal.id) != (self._target, self._format, self._seal.id):
            self.forget()
            self._target, self._format, self._seal = target, given, seal
            self._content, self.must_read = None, True

    def newest(self, stored: Mapping[str, Any] | None, now_s: float) -> Mapping[str, Any] | None:
        """Return the newest known manifest, None when no ConfigMap is known."""
        if self._latest is not None and self._is_late(stored, self._latest):
            # No informer is late for that long: the API server was restored, or the ConfigMap is gone. A read tells.
            self.must_read = self.must_read or now_s - self._at_s >= _MAX_AGE_S
            return self._latest
        self._latest = None
        self._replaced.clear()
        return stored

    def wrote(self, over: str, manifest: Mapping[str, Any], now_s: float) -> None:
        """Note the answer to a read, or to a write that replaced the version `over` ("" for a creation)."""
        self._replaced.add(over)
        self._latest = manifest
        self._carried = base_text_of(manifest) or self._carried
        self._at_s = now_s
        self.must_read = False

    def forget(self) -> None:
        """Use the informer's version from now on."""
        self._latest = None
        self._replaced.clear()
        self.must_read = False

    def doubt(self) -> None:
        """Have the ConfigMap read again, after a write that failed or whose outcome is unknown."""
        self.must_read = True

    def _is_late(self, stored: Mapping[str, Any] | None, latest: Mapping[str, Any]) -> bool:
        version, known = version_of(stored), version_of(latest)
        if version == known:
            return False
        if version in self._replaced:
            return True
        return version.isdecimal() and known.isdecimal() and int(version) < int(known)

    def content(self, manifest: Mapping[str, Any]) -> Content:
        """Return the digests of a manifest. They are computed once for each version."""
        version = manifest["metadata"].get("resourceVersion", "")
        known = self._content
        if known is None or known.resource_version != version or known.uid != manifest["metadata"].get("uid", ""):
            self._view = view_of(manifest, self._target.end, self._format) if self._format is not None else None
            known = self._content = content_of(manifest, self._target.end, self._seal.digest, self._view)
        return known

    def reader(self, manifest: Mapping[str, Any]) -> Callable[[str], bytes]:
        """Return what returns the value of a key of this manifest."""
        self.content(manifest)
        return partial(self._target.end.value_of, manifest) if self._view is None else self._view.values.__getitem__

    def view(self, version: str) -> FileView | None:
        """Return what this version has in the file, None when another version was read last."""
        known = self._content
        return self._view if known is not None and known.resource_version == version else None

    def binary_keys(self) -> dict[str, bool]:
        """Return whether each key of the last content is in `binaryData`."""
        return {key: held.binary for key, held in self._content.keys.items()} if self._content is not None else {}

    def base(self, content: Content) -> Base | None:
        """Return the merge base in the annotation, None when there is none. Each text is decoded once."""
        if not content.base_text:
            return None
        if content.base_text != self._carried:
            # Somebody else wrote this text, so it is not the base that the API server has answered to this process.
            self._carried = ""
        return self._decoded(content.base_text)

    def carried(self) -> Base | None:
        """Return the last merge base that the API server has answered to this process, None while it is not known."""
        return self._decoded(self._carried) if self._carried else None

    def writing(self) -> str:
        """Forget the last merge base until a write is answered. Return its text for `not_written`."""
        carried, self._carried = self._carried, ""
        return carried

    def not_written(self, carried: str) -> None:
        """Restore the last merge base after a refused write, which has changed nothing."""
        self._carried = carried

    def _decoded(self, text: str) -> Base | None:
        if self._base[0] != text:
            self._base = (text, decode_base(text))
        return self._base[1]


def base_text_of(manifest: Mapping[str, Any]) -> str:
    """Return the text of the merge base in the annotations, "" when there is none."""
    return str((manifest["metadata"].get("annotations") or {}).get(BASE_ANNOTATION, ""))


def version_of(manifest: Mapping[str, Any] | None) -> str:
    """Return the resourceVersion, "" for an absent object."""
    return "" if manifest is None else str(manifest["metadata"].get("resourceVersion", ""))
