"""The key with which the operator hashes values of Secrets, for a command that plans as the operator does. I/O."""

import secrets
from typing import Final

from zkoperator.errors import ZkOperatorError
from zkoperator.kube.port import KubeApi
from zkoperator.mirror.observe.hash_key import HashKey, hash_key_name

_USUAL: Final = "zkoperator-system/zkoperator"
_BYTES: Final = 32


class BorrowedKey:
    """The key of the installation if whoever runs the command may read it, else one for this command alone.

    With another key, what was common counts as lost and is recalled from the status, as after the loss of a key: a key
    that was edited in ZooKeeper alone since the last synchronisation is then shown as a conflict.

    Args:
        api: the Kubernetes API.
        operator: who signed the status of the ConfigSync, None while nobody has.
    """

    def __init__(self, api: KubeApi, operator: str | None) -> None:
        self._api = api
        self._namespace, _, self._lease = (operator or _USUAL).partition("/")
        self._key: bytes | None = None

    async def read(self) -> bytes:
        """Return the key, the same each time."""
        if self._key is None:
            self._key = await self._found() or secrets.token_bytes(_BYTES)
        return self._key

    async def _found(self) -> bytes | None:
        try:
            return await HashKey(self._api, self._namespace, hash_key_name(self._lease)).find()
        except ZkOperatorError:
            return None
