"""Secrets: bytes in `data`, and a type that may ask for keys and never changes. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from zkoperator.kube.port import SECRETS, Resource
from zkoperator.mirror.model.ends.end import Entry
from zkoperator.mirror.model.keys import decode_binary, encode_binary

OPAQUE: Final = "Opaque"
TOKEN_TYPE: Final = "kubernetes.io/service-account-token"  # noqa: S105 - a type
"""Kubernetes itself puts the credentials of a service account into Secrets of this type."""

_NEEDED: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "kubernetes.io/tls": (("tls.crt",), ("tls.key",)),
    "kubernetes.io/dockerconfigjson": ((".dockerconfigjson",),),
    "kubernetes.io/dockercfg": ((".dockercfg",),),
    "kubernetes.io/ssh-auth": (("ssh-privatekey",),),
    "kubernetes.io/basic-auth": (("username", "password"),),
}
"""Type -> what the API server asks for: of each group one key at least."""


@dataclass(frozen=True, slots=True)
class SecretEnd:
    """See `End`. `type` is that of a Secret that the operator creates; an existing one keeps its own.

    "" is Opaque for a new one, and whatever it is for an existing one.
    """

    type: str = ""

    resource: ClassVar[Resource] = SECRETS
    is_secret: ClassVar[bool] = True

    def entries(self, manifest: Mapping[str, Any]) -> Iterator[Entry]:
        """Yield every value."""
        for key, text in (manifest.get("data") or {}).items():
            yield key, decode_binary(text), False

    def value_of(self, manifest: Mapping[str, Any], key: str) -> bytes:
        """Return one value."""
        return decode_binary((manifest.get("data") or {})[key])

    def fields(self, values: Mapping[str, bytes | None], _binary_now: Mapping[str, bool]) -> dict[str, Any]:
        """Return `data`."""
        data = {key: encode_binary(value) if value is not None else None for key, value in values.items()}
        return {"data": data} if data else {}

    def other_fields(self) -> dict[str, Any]:
        """Return the type."""
        return {"type": self.type or OPAQUE}

    def misfit(self, manifest: Mapping[str, Any]) -> str:
        """Return why the type of this Secret is a wrong one."""
        found = self.type_of(manifest)
        if found == TOKEN_TYPE:
            return f"has type {TOKEN_TYPE}, in which Kubernetes keeps credentials; choose another Secret"
        if self.type in ("", found):
            return ""
        return (
            f"has type {found}, and spec.secret.type is {self.type}: the type of a Secret never changes; correct "
            "spec.secret.type, or delete the Secret, and it is created again"
        )

    def type_of(self, manifest: Mapping[str, Any]) -> str:
        """Return the type."""
        return str(manifest.get("type") or OPAQUE)

    def lacking(self, type_: str | None, keys: Collection[str]) -> str:
        """Return which keys the type asks for and that are not among these."""
        asked = self.type if type_ is None else type_
        missing = [group for group in _NEEDED.get(asked, ()) if not set(group) & set(keys)]
        return f"{' and '.join(map(' or '.join, missing))}, which type {asked} needs" if missing else ""
