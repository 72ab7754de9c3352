"""Carries out the one step of a plan, over exactly what was read. I/O."""

import secrets
from typing import Final

from zkoperator.errors import ConflictError, ZkOperatorError
from zkoperator.kube.port import SECRETS, ZNODES, KubeApi, Manifest
from zkoperator.tenant.build.secret import secret
from zkoperator.tenant.model.names import FINALIZER
from zkoperator.tenant.plan.steps import Commit, CreateSecret, SetAcl, SetFinalizer, Step
from zkoperator.tenant.validate import finalizers_of
from zkoperator.zk.port import MultiError, NoNodeError, Zk

_PASSWORD_BYTES: Final = 24


class Applier:
    """Writes Secrets, znodes and finalizers."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def apply(self, raw: Manifest, step: Step, zk: Zk | None) -> None:
        """Carry out the step for the ZNode as it was read.

        Args:
            raw: the ZNode.
            step: what is written.
            zk: the superuser's session, None where there is none.

        Raises:
            ConflictError: something has changed since; nothing was written, or only transactions before that one.
            ForbiddenError: a right is missing.
            InvalidError: the ensemble or the API server does not accept it.
        """
        match step:
            case SetFinalizer(wanted):
                await self._set_finalizer(raw, wanted=wanted)
            case CreateSecret(binding):
                manifest = secret(binding, secrets.token_urlsafe(_PASSWORD_BYTES))
                await self._api.create(SECRETS, binding.namespace, manifest)
            case Commit() | SetAcl() if zk is not None:
                await _write(zk, step)

    async def _set_finalizer(self, raw: Manifest, *, wanted: bool) -> None:
        meta = raw["metadata"]
        others = [name for name in finalizers_of(raw) if name != FINALIZER]
        patch = {"metadata": {"finalizers": [*others, FINALIZER] if wanted else others}}
        await self._api.patch(ZNODES, meta["namespace"], meta["name"], patch, resource_version=meta["resourceVersion"])


async def _write(zk: Zk, step: Commit | SetAcl) -> None:
    try:
        if isinstance(step, SetAcl):
            await zk.set_acl(step.path, step.acl, step.aversion)
        else:
            for transaction in step.transactions:
                await zk.multi(transaction)
    except MultiError as error:
        raise _cause(error.cause) from error
    except NoNodeError as error:
        raise _cause(error) from error


def _cause(error: ZkOperatorError) -> ZkOperatorError:
    """Return the error with which a new look helps where a znode is gone."""
    return ConflictError(str(error)) if isinstance(error, NoNodeError) else error
