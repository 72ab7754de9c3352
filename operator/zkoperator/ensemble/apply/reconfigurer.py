"""Reads and changes the committed configuration by sessions with the superuser's credential."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from zkoperator.ensemble.model.configuration import Configuration, parse_configuration
from zkoperator.ensemble.model.names import CLIENT_PORT, SUPERUSER, Names
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.ownership import password_of
from zkoperator.ensemble.plan.steps import Reconfigure
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.errors import ConflictError, TransientError, UnknownOutcomeError, UnsafeError
from zkoperator.kube.port import SECRETS, KubeApi
from zkoperator.zk.port import Credential, Zk, ZkConnector

CONFIG_PATH = "/zookeeper/config"


class Reconfigurer:
    """The committed configuration of ensembles.

    Args:
        api: for the superuser's Secret.
        connector: opens sessions.
    """

    def __init__(self, api: KubeApi, connector: ZkConnector) -> None:
        self._api = api
        self._connector = connector

    async def change(self, cluster: ValidatedCluster, observed: Observed, step: Reconfigure) -> None:
        """Reconfigure from exactly the version that was observed, read the outcome back, commit one more write.

        Raises:
            ConflictError: the configuration is another one by now.
            TransientError: refused or unknown; look again.
        """
        credential = await self._credential(cluster)
        leader = observed.leader
        if leader is None:
            raise UnsafeError(f"{len(observed.leaders)} members say they lead, exactly 1 must")
        async with self._session([observed.pods[leader].ip], credential) as zk:
            present = await _read(zk, cluster.names)
            if present.version != step.from_version:
                raise ConflictError(f"the configuration is {present.version:x}, not {step.from_version:x}")
            await _reconfigure(zk, step)
        # A new session is itself a committed write: after it the new configuration is active, not only agreed on.
        staying = [pod.ip for member, pod in sorted(observed.pods.items()) if member in step.voters and pod.ip]
        async with self._session(staying, None) as zk:
            outcome = await _read(zk, cluster.names)
        if outcome.voters != step.voters:
            raise ConflictError(f"after the reconfiguration {sorted(outcome.voters)} vote, not {sorted(step.voters)}")

    async def confirm_absent(self, cluster: ValidatedCluster, observed: Observed, members: Sequence[int]) -> None:
        """Read the committed configuration afresh and refuse unless none of the members is in it."""
        voters = [pod.ip for member, pod in sorted(observed.pods.items()) if member in observed.voters and pod.ip]
        async with self._session(voters, None) as zk:
            present = await _read(zk, cluster.names)
        if found := [member for member in members if present.find(member) is not None]:
            raise ConflictError(f"members {found} of {cluster.meta.name} are in configuration {present.version:x}")

    async def _credential(self, cluster: ValidatedCluster) -> Credential:
        manifest = await self._api.get(SECRETS, cluster.names.namespace, cluster.names.secret)
        password = password_of(cluster, manifest) if manifest is not None else None
        if password is None:
            raise TransientError(f"Secret {cluster.names.secret} holds no superuser's password")
        return Credential(SUPERUSER, password)

    @asynccontextmanager
    async def _session(self, addresses: Sequence[str], credential: Credential | None) -> AsyncGenerator[Zk, None]:
        zk = await self._connector.open([_host(address) for address in addresses], credential)
        try:
            yield zk
        finally:
            await zk.close()


async def _reconfigure(zk: Zk, step: Reconfigure) -> None:
    lines = [server.line for server in step.joining]
    try:
        await zk.reconfig(joining=lines, leaving=step.leaving, from_config=step.from_version)
    except UnknownOutcomeError:
        # A leader that leaves drops the connection after the commit; reading back tells what became of it.
        return


async def _read(zk: Zk, names: Names) -> Configuration:
    """Return the committed configuration as the leader knows it; that of another ensemble at our address is refused."""
    await zk.sync(CONFIG_PATH)
    node = await zk.get(CONFIG_PATH)
    found = parse_configuration(node.data.decode(errors="replace"))
    if found is None:
        raise TransientError("the committed configuration cannot be read")
    if not any(names.is_host(server.id, server.address) for server in found.servers):
        raise ConflictError(f"configuration {found.version:x} names no host of {names.cluster}: another ensemble's")
    return found


def _host(address: str) -> str:
    return f"[{address}]:{CLIENT_PORT}" if ":" in address else f"{address}:{CLIENT_PORT}"
