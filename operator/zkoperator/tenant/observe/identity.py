"""Finds the ACL that a znode is to have, from the Secrets that a ZNode names. I/O."""

from collections.abc import Sequence

from zkoperator.api.reasons import ZNodeReason
from zkoperator.api.znode import AclEntry, SecretRef, ZNodeCredentials
from zkoperator.controller.secret_texts import text_in
from zkoperator.kube.port import SECRETS, KubeApi, Manifest
from zkoperator.tenant.build.secret import is_made_for
from zkoperator.tenant.model.access import Identity
from zkoperator.tenant.model.acl import acl_of
from zkoperator.tenant.model.names import secret_name
from zkoperator.tenant.model.waiting import Waiting
from zkoperator.tenant.validate import ValidatedZNode
from zkoperator.zk.port import Credential


class IdentityFinder:
    """Reads Secrets of the ZNode's own namespace."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def find(self, znode: ValidatedZNode) -> Identity | Waiting | None:
        """Return the ACL, None while the Secret with the credential has to be made, or what is missing."""
        owner = await self._owner(znode)
        if isinstance(owner, Waiting):
            return owner
        if owner is None and znode.spec.credentials.type is ZNodeCredentials.GENERATE:
            return None
        entries = await self._entries(znode.meta.namespace, znode.spec.acl)
        return entries if isinstance(entries, Waiting) else Identity(acl_of(owner, entries))

    async def _owner(self, znode: ValidatedZNode) -> Credential | Waiting | None:
        asked = znode.spec.credentials
        if asked.type is ZNodeCredentials.GENERATE:
            return await self._generated(znode)
        if asked.secret_ref is None:
            return None
        return await self._named(znode.meta.namespace, asked.secret_ref)

    async def _generated(self, znode: ValidatedZNode) -> Credential | Waiting | None:
        name = secret_name(znode.meta.name)
        found = await self._api.get(SECRETS, znode.meta.namespace, name)
        if found is None:
            return None
        if not is_made_for(found, znode):
            message = (
                f"Secret {name} exists and was not made for this ZNode with this path; it is never overwritten: delete "
                f"it, or name it by spec.credentials: {{type: Secret, secretRef: {{name: {name}}}}}"
            )
            return Waiting(ZNodeReason.SECRET_TAKEN, message)
        return _credential(found, name)

    async def _entries(
        self, namespace: str, entries: Sequence[AclEntry]
    ) -> tuple[tuple[AclEntry, Credential | None], ...] | Waiting:
        found: list[tuple[AclEntry, Credential | None]] = []
        for entry in entries:
            named = await self._named(namespace, entry.secret_ref) if entry.secret_ref is not None else None
            if isinstance(named, Waiting):
                return named
            found.append((entry, named))
        return tuple(found)

    async def _named(self, namespace: str, ref: SecretRef) -> Credential | Waiting:
        return _credential(await self._api.get(SECRETS, namespace, ref.name), ref.name)


def _credential(secret: Manifest | None, name: str) -> Credential | Waiting:
    username, password = text_in(secret, "username"), text_in(secret, "password")
    if username and password and ":" not in username:
        return Credential(username, password)
    message = f"there is no Secret {name} with the keys username (without ':') and password in this namespace"
    return Waiting(ZNodeReason.CREDENTIALS_NOT_FOUND, message)
