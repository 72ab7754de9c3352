"""TLS that is turned on, off and renewed under a client that writes, and a leader that hangs: `python -m bench tls`.

Members are real servers in network namespaces, with real certificates and the real operator. What stands in for the
kubelet starts pods, and writes changed Secrets, within a tenth of a second; a real kubelet needs up to a minute for a
Secret. Hangs with TLS and without are of one ensemble, and their rounds alternate.
"""

import asyncio
import contextlib
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.figures import Figure
from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.faults import faketime
from tests.support.machines.api_client import Manifest
from tests.support.machines.kubelets import Kubelets, grounds
from tests.support.models.foreign_pki import Signed
from tests.support.waiting import eventually
from tests.support.worlds.certified_servers import (
    TLS_PORT,
    Company,
    certified,
    of_company,
    trusts,
    uids,
    until_served,
)
from tests.support.worlds.cluster_workloads import ALLOWED, Cluster, edit_cluster
from tests.support.worlds.ensemble_writer import Writer, lost_writes
from tests.support.worlds.kept_writes import one, progress
from tests.support.worlds.site import Plot, Site

MEMBERS, PLAIN_PORT = 3, 2181
ROUNDS, HANGS = 2, 2
"""How often TLS is turned on and off, and how often the leader hangs in each state of each round."""
ROLL_GAP_GOAL_S, RENEWAL_GAP_GOAL_S, HANG_GOAL = 1.7, 0.2, 1.1
REST_S = 20.0
READ_S = 15.0
"""Seconds in which members have read a file: their loop looks each 5 s, and takes one file at a time."""
WITHIN_S = 600.0


@dataclass
class Written:
    """What writers saw: attempts that were repeated, writes that were never acknowledged, and those that are lost."""

    acknowledged: int = 0
    repeated: int = 0
    failed: int = 0
    lost: int = 0

    def figures(self, what: str) -> list[Figure]:
        return [
            Figure(f"{what}: acknowledged writes", float(self.acknowledged), ""),
            Figure(f"{what}: attempts of a client that were repeated", float(self.repeated), ""),
            Figure(f"{what}: failed writes of a retrying client", float(self.failed), "", goal=0),
            Figure(f"{what}: lost writes", float(self.lost), "", goal=0),
        ]


@dataclass(frozen=True)
class Turn:
    """One change of `spec.tls`, from the edit until the cluster is Ready with it."""

    took_s: float
    rolls: float
    gap_s: float


@dataclass
class Client:
    """Writers on the members of one ensemble, one after another, whose reports are added up."""

    site: Site
    kubelets: Kubelets
    written: Written = field(default_factory=Written)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @contextlib.asynccontextmanager
    async def writes(self, tls: Mapping[str, Any] | None = None, besides: str = "") -> AsyncIterator[Writer]:
        """A writer on all members (but the pod `besides`), in plaintext or with these options of kazoo for TLS."""
        hosts = self._hosts(PLAIN_PORT if tls is None else TLS_PORT)
        others = ",".join(address for pod, address in hosts.items() if pod != besides)
        writer = Writer(others, f"/written-{next(self.numbers)}", pause_s=0.02, patience_s=WITHIN_S, options=tls)
        await self._on_hub(writer.__enter__)
        try:
            await progress(writer)
            yield writer
        finally:
            report = await self._on_hub(writer.stop)
        self.written.acknowledged += 2 * len(report.created)
        self.written.repeated += report.retried
        self.written.failed += report.failed
        self.written.lost += len(await self._on_hub(lost_writes, writer, [*hosts.values()]))

    def _hosts(self, port: int) -> dict[str, str]:
        return {pod: f"{host.rpartition(':')[0]}:{port}" for pod, host in self.kubelets.hosts.items()}

    async def _on_hub(self, act: Any, *arguments: Any) -> Any:
        def there() -> Any:
            assert self.site.network is not None
            with self.site.network.on_hub():  # what it starts stays there
                return act(*arguments)

        return await asyncio.to_thread(there)


async def run() -> Sequence[Figure]:
    """Turn TLS on and off and have leaders hang; then renew certificates."""
    with tempfile.TemporaryDirectory() as directory, Ensemble(1) as zookeeper, ApiServer() as server:
        await asyncio.to_thread(zookeeper.start)
        await asyncio.to_thread(server.start)
        async with grounds(server, zookeeper, Path(directory), MEMBERS) as site:
            figures = await _turning_and_hanging(site)
            return [*figures, *await _renewing(site)]


async def _turning_and_hanging(site: Site) -> list[Figure]:
    cluster = Cluster(replicas=MEMBERS, within_s=WITHIN_S)
    async with site.plot() as plot, Kubelets(plot) as kubelets:
        await cluster.create(plot)
        with site.operator(plot.settings):
            await cluster.complete(plot)
            turning, hanging = Client(site, kubelets), Client(site, kubelets)
            on: list[Turn] = []
            off: list[Turn] = []
            plain: list[float] = []
            secure: list[float] = []
            for _ in range(ROUNDS):
                plain += [await _hang(hanging) for _ in range(HANGS)]
                on.append(await _turn(plot, turning, ALLOWED))
                trusted = await _trusted(plot)
                secure += [await _hang(hanging, trusted) for _ in range(HANGS)]
                off.append(await _turn(plot, turning, None))
    return [
        *turns("TLS turned on", on),
        *turns("TLS turned off", off),
        *turning.written.figures("TLS turned on and off"),
        hangs(secure, plain),
        *hanging.written.figures("leader hangs"),
    ]


async def _turn(plot: Plot, client: Client, tls: Manifest | None) -> Turn:
    """Edit `spec.tls` under a client in plaintext, which is served all the while."""
    pods = set((await uids(plot)).values())
    async with client.writes() as writer:
        writer.reset_gap()
        began_s = time.monotonic()
        await edit_cluster(plot, {"tls": tls})
        await eventually(lambda: _settled(plot, "QuorumTLS" if tls else "", pods), within_s=WITHIN_S, every_s=0.1)
        turn = Turn(time.monotonic() - began_s, len(pods) / MEMBERS - 1, writer.reset_gap())
    _tell(f"turned {'on' if tls else 'off'}: {turn}")
    return turn


async def _settled(plot: Plot, phase: str, pods: set[str]) -> bool:
    """Whether the cluster is as its spec wants it, in this phase; adds the pods that there are to those seen."""
    pods |= set((await uids(plot)).values())
    cluster = await plot.site.kube.get(f"{plot.custom}/zookeeperclusters/main")
    status = cluster["status"]
    conditions = {each["type"]: each for each in status["conditions"]}
    assert (status.get("tls") or {}).get("phase", "") == phase, status.get("tls")
    assert conditions["Ready"]["observedGeneration"] == cluster["metadata"]["generation"], conditions
    assert conditions["Ready"]["status"] == "True", conditions
    return bool(conditions["Progressing"]["status"] == "False")


async def _trusted(plot: Plot) -> dict[str, Any]:
    """The options of kazoo for a client that trusts the published CA."""
    published = await plot.site.kube.get(f"{plot.core}/configmaps/main-zk-ca")
    file = plot.site.directory / "published-ca.pem"
    file.write_text(published["data"]["ca.crt"])
    return {"use_ssl": True, "ca": str(file)}


async def _hang(client: Client, tls: Mapping[str, Any] | None = None) -> float:
    """Seconds without an acknowledged write when the leader hangs, for a client that has never met it."""
    kubelets = client.kubelets
    leader = await one(kubelets, "leader")
    async with client.writes(tls, besides=leader) as writer:
        writer.reset_gap()
        await kubelets.freeze(leader)
        try:
            await progress(writer)
        finally:
            kubelets.thaw(leader)
        gap_s = writer.reset_gap()
        await eventually(lambda: _all_serve(kubelets), within_s=WITHIN_S)
    _tell(f"leader hung, {'TLS' if tls else 'plaintext'}: {gap_s:.2f} s")
    return gap_s


async def _all_serve(kubelets: Kubelets) -> bool:
    return sorted((await kubelets.modes()).values()) == ["follower"] * (MEMBERS - 1) + ["leader"]


async def _renewing(site: Site) -> list[Figure]:
    with tempfile.TemporaryDirectory() as directory:
        clock = Path(directory) / "clock"
        clock.write_text("+0\n")
        settings = faketime.settings(clock)
        async with certified(site, Path(directory), MEMBERS, of_company(), settings=settings) as (
            plot,
            kubelets,
            company,
        ):
            client = Client(site, kubelets)
            pods, starts = await uids(plot), dict(kubelets.starts)
            async with client.writes(company.anonymous) as writer:
                leaf = await _leaf(plot, kubelets, company, writer)
                authority = await _authority(plot, kubelets, company, writer, clock)
            again = sum(kubelets.starts[pod] - starts.get(pod, 0) for pod in kubelets.starts)
            again += sum(uid != pods.get(pod) for pod, uid in (await uids(plot)).items())
    restarts = Figure("leaf and CA renewed: restarts of members", float(again), "", goal=0)
    return [*leaf, *authority, restarts, *client.written.figures("leaf and CA renewed")]


async def _leaf(plot: Plot, kubelets: Kubelets, company: Company, writer: Writer) -> list[Figure]:
    """A leaf of the same CA: while nothing happens, when the operator looks at once, and when it looks by itself."""
    writer.reset_gap()
    await asyncio.sleep(REST_S)
    rest_s = writer.reset_gap()
    asked_s = await _seconds(plot, kubelets, await company.deliver())
    new = company.leaf()
    await company.store(new)
    found_s = await _seconds(plot, kubelets, new)
    await progress(writer)
    return told(
        Figure(f"nothing renewed for {REST_S:g} s: longest gap between acknowledged writes", rest_s, "s"),
        _renewal("leaf renewed", writer.reset_gap()),
        Figure("leaf renewed: read by the operator at once, from Secret to served by all", asked_s, "s"),
        Figure("leaf renewed: found by the operator, from Secret to served by all", found_s, "s"),
    )


async def _authority(plot: Plot, kubelets: Kubelets, company: Company, writer: Writer, clock: Path) -> list[Figure]:
    """A leaf of another CA. The operator's waits are skipped by its clock; members read each file before it is."""
    writer.reset_gap()
    company.change_ca()
    began_s = time.monotonic()
    new = await company.deliver()
    await eventually(lambda: trusts(plot, 2), within_s=WITHIN_S)
    both_s = time.monotonic() - began_s
    await asyncio.sleep(READ_S)
    clock.write_text("+300\n")
    await company.look()
    served_s = await _seconds(plot, kubelets, new)
    clock.write_text("+7200\n")
    await company.look()
    await eventually(lambda: trusts(plot, 1), within_s=WITHIN_S)
    await asyncio.sleep(READ_S)
    await progress(writer)
    return told(
        _renewal("CA renewed", writer.reset_gap()),
        Figure("CA renewed: from Secret to both trusted", both_s, "s"),
        Figure("CA renewed: from the end of the operator's wait to served by all", served_s, "s"),
    )


async def _seconds(plot: Plot, kubelets: Kubelets, leaf: Signed) -> float:
    """Seconds from now until all members show this certificate."""
    began_s = time.monotonic()
    await until_served(plot.site, kubelets, leaf, within_s=WITHIN_S)
    return time.monotonic() - began_s


def turns(what: str, rounds: Sequence[Turn]) -> list[Figure]:
    """The worst gap and the medians of the rest."""
    took_s = statistics.median(turn.took_s for turn in rounds)
    rolls = statistics.median(turn.rolls for turn in rounds)
    gap_s = max(turn.gap_s for turn in rounds)
    return [
        Figure(f"{what}: longest gap between acknowledged writes in any roll", gap_s, "s", goal=ROLL_GAP_GOAL_S),
        Figure(f"{what}: edit to Ready", took_s, "s"),
        Figure(f"{what}: rolls", rolls, ""),
        *([Figure(f"{what}: edit to Ready, for each roll", took_s / rolls, "s")] if rolls else []),
    ]


def hangs(secure: Sequence[float], plain: Sequence[float]) -> Figure:
    """The median of hangs with TLS, with that of those without as its floor."""
    return Figure(
        "leader hangs: seconds until a write is acknowledged again, with TLS",
        statistics.median(secure),
        "s",
        floor=statistics.median(plain),
        floor_name="without TLS",
        goal=HANG_GOAL,
    )


def _renewal(what: str, gap_s: float) -> Figure:
    return Figure(f"{what}: longest gap between acknowledged writes", gap_s, "s", goal=RENEWAL_GAP_GOAL_S)


def told(*figures: Figure) -> list[Figure]:
    """The same, told on standard error as soon as they are known."""
    for figure in figures:
        _tell(f"{figure.name}: {figure.value:.2f} {figure.unit}")
    return [*figures]


def _tell(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
