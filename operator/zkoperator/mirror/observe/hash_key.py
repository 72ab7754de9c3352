"""The random key of an installation, with which digests of Secrets' values are made. I/O.

It is in a Secret in the operator's own namespace, created once and never changed. Whoever has it and a digest can try
values. Without it the operator makes another one, and digests that were made with the first one count as lost.
"""

import binascii
import secrets
from base64 import b64decode, b64encode
from typing import Final

from zkoperator.errors import ConflictError, FieldError, InvalidError
from zkoperator.kube.port import SECRETS, KubeApi, Manifest
from zkoperator.mirror.model.names import SYNC_LABEL

_FIELD: Final = "key"
_BYTES: Final = 32


def hash_key_name(lease: str) -> str:
    """Return the name of the Secret of the installation whose Lease has this name."""
    return f"{lease}-hash-key"


class HashKey:
    """The key. It is read, or created, when it is needed first.

    Args:
        api: the Kubernetes API.
        namespace: the operator's own.
        name: of the Secret.
    """

    def __init__(self, api: KubeApi, namespace: str, name: str) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._key = b""

    async def read(self) -> bytes:
        """Return the key.

        Raises:
            ForbiddenError: the Secret may not be read or created.
            InvalidError: the Secret has no key, or one that a ConfigSync keeps.
        """
        if not self._key:
            found = await self.find()
            self._key = found or await self._create()
        return self._key

    async def find(self) -> bytes | None:
        """Return the key, None while there is none."""
        found = await self._api.get(SECRETS, self._namespace, self._name)
        return self._in(found) if found is not None else None

    async def _create(self) -> bytes:
        key = secrets.token_bytes(_BYTES)
        meta = {"name": self._name, "labels": {"app.kubernetes.io/name": "zkoperator"}}
        manifest: Manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque"}
        data = {_FIELD: b64encode(key).decode()}
        try:
            await self._api.create(SECRETS, self._namespace, {**manifest, "immutable": True, "data": data})
        except ConflictError:
            found = await self.find()
            if found is None:
                raise
            return found
        return key

    def _in(self, secret: Manifest) -> bytes:
        if SYNC_LABEL in (secret["metadata"].get("labels") or {}):
            # Whoever writes its znodes would know the key.
            raise self._useless("is kept by a ConfigSync, by its label")
        try:
            key = b64decode((secret.get("data") or {}).get(_FIELD, ""), validate=True)
        except binascii.Error:
            key = b""
        if len(key) < _BYTES:
            raise self._useless(f"has no {_FIELD} of {_BYTES} bytes")
        return key

    def _useless(self, why: str) -> InvalidError:
        message = f"{why}; delete it, and the operator makes another one"
        return InvalidError((FieldError(f"Secret {self._namespace}/{self._name}", message),))
