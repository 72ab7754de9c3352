"""ConfigMaps: texts in `data`, and everything else in `binaryData`. Pure."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from zkoperator.kube.port import CONFIG_MAPS, Resource
from zkoperator.mirror.model.ends.end import End, Entry
from zkoperator.mirror.model.keys import decode_binary, decode_text, encode_binary, encode_text


class ConfigMapEnd:
    """See `End`."""

    resource: Final[Resource] = CONFIG_MAPS
    is_secret: Final[bool] = False

    def entries(self, manifest: Mapping[str, Any]) -> Iterator[Entry]:
        """Yield every value."""
        for key, text in (manifest.get("data") or {}).items():
            yield key, decode_text(text), False
        for key, text in (manifest.get("binaryData") or {}).items():
            yield key, decode_binary(text), True

    def value_of(self, manifest: Mapping[str, Any], key: str) -> bytes:
        """Return one value."""
        data = manifest.get("data") or {}
        return decode_text(data[key]) if key in data else decode_binary((manifest.get("binaryData") or {})[key])

    def fields(self, values: Mapping[str, bytes | None], binary_now: Mapping[str, bool]) -> dict[str, Any]:
        """Return `data` and `binaryData`: a key may be in only one of both."""
        data: dict[str, str | None] = {}
        binary: dict[str, str | None] = {}
        for key, value in values.items():
            text = encode_text(value) if value is not None else None
            if value is None:
                (binary if binary_now.get(key, False) else data)[key] = None
                continue
            here, there = (data, binary) if text is not None else (binary, data)
            here[key] = text if text is not None else encode_binary(value)
            if key in binary_now and binary_now[key] is (text is not None):
                there[key] = None
        return ({"data": data} if data else {}) | ({"binaryData": binary} if binary else {})

    def other_fields(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def misfit(self, _manifest: Mapping[str, Any]) -> str:
        """Return "": every ConfigMap can be the end."""
        return ""

    def type_of(self, _manifest: Mapping[str, Any]) -> str:
        """Return "": there are no types."""
        return ""

    def lacking(self, _type: str | None, _keys: Collection[str]) -> str:
        """Return "": a ConfigMap needs no key."""
        return ""


CONFIG_MAP_END: Final[End] = ConfigMapEnd()
