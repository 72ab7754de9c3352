"""The ConfigMaps and Secrets that ConfigSyncs keep, as informers have them, and how their values are hashed. I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from zkoperator.api.reasons import SyncReason
from zkoperator.errors import ForbiddenError, InvalidError
from zkoperator.mirror.model.seal import PLAIN_SEAL, Seal, seal_of
from zkoperator.mirror.model.waiting import Waiting
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.runtime.keys import Key
from zkoperator.runtime.outcome import LookAgain

_SOON = LookAgain(1.0)
_LISTING = Waiting(SyncReason.SYNCING, "listing the Secrets that ConfigSyncs keep", _SOON, silent=True)
_HOW = (
    "add the component manifests/secrets to the kustomization of the operator, or set the value secrets.enabled of its "
    "chart to true"
)


class SecretsNotGrantedError(ForbiddenError):
    """A right that only the component for Secrets has is missing; the message names the component."""

    def __init__(self, error: ForbiddenError) -> None:
        super().__init__(f"the operator may not keep Secrets ({error}); {_HOW}")


def reason_of(error: ForbiddenError) -> SyncReason:
    """Return the reason of Ready for a refusal."""
    return SyncReason.SECRETS_NOT_GRANTED if isinstance(error, SecretsNotGrantedError) else SyncReason.FORBIDDEN


class Store(Protocol):
    """The objects of one kind with our label, as the informer has them."""

    @property
    def synced(self) -> bool:
        """Whether they have been listed."""

    def get(self, key: Key) -> dict[str, Any] | None:
        """Return the manifest, None when there is none."""

    def refusal(self, namespace: str) -> str | None:
        """Return why those of this namespace may not be followed, or not any more; None while they may."""


class KeySource(Protocol):
    """The key of the installation."""

    async def read(self) -> bytes:
        """Return it."""


@dataclass(frozen=True, slots=True)
class GrantedSecrets:
    """What a process needs to keep Secrets: the store of those with our label, and the key for their digests."""

    store: Store
    hash_key: KeySource


class Targets:
    """The targets of all ConfigSyncs of a process.

    Args:
        config_maps: store of the ConfigMaps.
        secrets: None where the installation does not grant Secrets.
        retry_s: when to look again at what no event announces.
    """

    def __init__(self, config_maps: Store, secrets: GrantedSecrets | None, retry_s: float) -> None:
        self._config_maps = config_maps
        self._secrets = secrets
        self._again = LookAgain(retry_s)

    def stored(self, sync: ValidatedSync) -> Mapping[str, Any] | None:
        """Return the target as last seen, None when it was not seen with our label."""
        store = self._config_maps
        if sync.target.end.is_secret and self._secrets is not None:
            store = self._secrets.store
        return store.get(Key(sync.namespace, sync.target.name))

    async def seal(self, sync: ValidatedSync) -> Seal | Waiting:
        """Return how the values of the target are hashed, or why it cannot be kept."""
        if not sync.target.end.is_secret:
            return PLAIN_SEAL
        if self._secrets is None:
            return self._not_granted(f"this installation does not grant Secrets to ConfigSyncs; {_HOW}")
        store = self._secrets.store
        try:
            if (refusal := store.refusal(sync.namespace)) is not None:
                # Those that were listed before are not looked at: nobody would notice an edit.
                raise ForbiddenError(refusal)
            key = await self._secrets.hash_key.read()
        except ForbiddenError as error:
            return self._not_granted(str(SecretsNotGrantedError(error)))
        except InvalidError as error:
            return self._not_granted(f"values of Secrets cannot be hashed: {error}")
        return seal_of(key, sync.uid) if store.synced else _LISTING

    def _not_granted(self, why: str) -> Waiting:
        return Waiting(SyncReason.SECRETS_NOT_GRANTED, why, self._again)
