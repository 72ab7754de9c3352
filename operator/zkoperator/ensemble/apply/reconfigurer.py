"""Reads and changes the committed configuration of an ensemble by ZooKeeper sessions. I/O."""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager

from zkoperator.ensemble.model.configuration import Configuration, parse_configuration
from zkoperator.ensemble.model.names import SUPERUSER, Names
from zkoperator.ensemble.observe.access import client_tls, port_of
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.ownership import password_of
from zkoperator.ensemble.plan.steps import Reconfigure
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.errors import ConflictError, TransientError, UnknownOutcomeError, UnsafeError
from zkoperator.kube.port import SECRETS, KubeApi
from zkoperator.zk.port import Credential, Zk, ZkConnector

CONFIG_PATH = "/zookeeper/config"


class Reconfigurer:
    """Reads and changes the committed configuration.

    Args:
        api: for the superuser's Secret.
        connector: opens sessions.
    """

    def __init__(self, api: KubeApi, connector: ZkConnector) -> None:
        self._api = api
        self._connector = connector

    async def change(self, cluster: ValidatedCluster, observed: Observed, step: Reconfigure) -> None:
        """Reconfigure from exactly the observed version, commit one more write, and read the configuration back.

        Raises:
            ConflictError: the configuration has changed since it was observed.
            TransientError: refused, or the outcome is unknown.
        """
        credential = await self._credential(cluster)
        leader = observed.leader
        if leader is None:
            raise UnsafeError(f"{len(observed.leaders)} members say they lead, exactly 1 must")
        async with self._session(cluster, observed, [leader], credential) as zk:
            present = await _read(zk, cluster.names)
            if present.version != step.from_version:
                raise ConflictError(f"the configuration is {present.version:x}, not {step.from_version:x}")
            await _reconfigure(zk, step)
        # The creation of a session is a committed write, after which the new configuration is active.
        async with self._session(cluster, observed, step.voters, None) as zk:
            outcome = await _read(zk, cluster.names)
        if outcome.voters != step.voters:
            raise ConflictError(f"after the reconfiguration {sorted(outcome.voters)} vote, not {sorted(step.voters)}")

    async def confirm_absent(self, cluster: ValidatedCluster, observed: Observed, members: Sequence[int]) -> None:
        """Read the committed configuration again; raise `ConflictError` if any of the members is in it."""
        async with self._session(cluster, observed, observed.voters, None) as zk:
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
    async def _session(
        self, cluster: ValidatedCluster, observed: Observed, members: Collection[int], credential: Credential | None
    ) -> AsyncGenerator[Zk, None]:
        """Open a session with these members: with TLS where they have it, with the others where none of them does."""
        pods = [pod for member, pod in sorted(observed.all_pods.items()) if member in members and pod.ip]
        dialled = [pod for pod in pods if pod.tls.client] or pods
        tls = client_tls(cluster.names, observed.certificates, dialled)
        zk = await self._connector.open([_host(pod.ip, port_of(pod)) for pod in dialled], credential, tls)
        try:
            yield zk
        finally:
            await zk.close()


async def _reconfigure(zk: Zk, step: Reconfigure) -> None:
    lines = [server.line for server in step.joining]
    try:
        await zk.reconfig(joining=lines, leaving=step.leaving, from_config=step.from_version)
    except UnknownOutcomeError:
        # A leader that leaves closes the connection after the commit; the configuration is read back anyway.
        return


async def _read(zk: Zk, names: Names) -> Configuration:
    """Return the committed configuration of the leader; raise `ConflictError` if it is that of another ensemble."""
    await zk.sync(CONFIG_PATH)
    node = await zk.get(CONFIG_PATH)
    found = parse_configuration(node.data.decode(errors="replace"))
    if found is None:
        raise TransientError("the committed configuration cannot be read")
    if not any(names.is_host(server.id, server.address) for server in found.servers):
        raise ConflictError(f"configuration {found.version:x} names no host of {names.cluster}: another ensemble's")
    return found


def _host(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
