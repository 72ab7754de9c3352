"""Kubelets for an API server without nodes: each pod of an ensemble is a real server on a host of its own.

A pod runs the start script that its ConfigMap brings, on a directory that belongs to its claim, with the environment
that its template asks for; only paths are others. Names of members resolve to the addresses of the hosts `member-1`,
`member-2` and so on of a network, those of observers to `observer-1` and so on.
"""

import asyncio
import contextlib
import re
import socket
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from testbed import jars
from testbed.api import ApiServer
from testbed.network import inside
from testbed.processes import Server
from testbed.zookeepers import Ensemble
from tests.support.faults import slow_disk
from tests.support.machines.api_client import Manifest
from tests.support.machines.namespaces import Network
from tests.support.worlds.site import Plot, Site, site

_JVM = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dzookeeper.admin.enableServer=false"
_CLIENT_PORT = 2181
_PLAINTEXT_PORTS = (_CLIENT_PORT, 2180)
"""Where a member serves plaintext on loopback: while others may use it, and once they may not."""
_POD = re.compile(r"(?P<cluster>.+)-zk-(?P<observer>observers-)?(?P<ordinal>\d+)")


@contextlib.asynccontextmanager
async def grounds(
    api_server: ApiServer, zookeeper: Ensemble, directory: Path, size: int, observers: int = 0
) -> AsyncIterator[Site]:
    """A site with hosts for an ensemble of this size; each plot in it needs kubelets of its own."""
    hosts = [
        f"{kind}-{number}"
        for kind, count in (("member", size), ("observer", observers))
        for number in range(1, count + 1)
    ]
    with Network(["operator", "api", "zookeeper", *hosts]) as network:
        async with site(api_server, zookeeper, directory, network) as opened:
            yield opened


@dataclass
class _Container:
    """The server of one pod."""

    uid: str
    host: str
    server: Server
    starts: int = 1
    told: Manifest = field(default_factory=dict)
    certificates: "SecretVolume | None" = None


class Kubelets:
    """Runs the pods of a plot's ensembles until the end of the `async with` block.

    Args:
        plot: Where the pods are.
        disk_mib: The size of each disk; none given: that of the machine's.
        heap_mib: The heap of each server.
    """

    def __init__(self, plot: Plot, disk_mib: int | None = None, *, heap_mib: int = 128) -> None:
        assert plot.site.network is not None, "pods need hosts"
        self._plot = plot
        self._network = plot.site.network
        self._directory = plot.site.directory / plot.namespace
        self._directory.mkdir()
        self._disk_mib = disk_mib
        self._jvm = f"-Xmx{heap_mib}m {_JVM}"
        self._mounts = contextlib.ExitStack()
        self._disks: dict[str, Path] = {}
        self._containers: dict[str, _Container] = {}
        self._held: set[str] = set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for container in self._containers.values():
            await asyncio.to_thread(container.server.kill)
        self._mounts.close()

    @property
    def hosts(self) -> Mapping[str, str]:
        """The address for clients of each pod that runs, for those who are on the network."""
        return {
            name: f"{self._network.address(container.host)}:{_CLIENT_PORT}"
            for name, container in self._containers.items()
        }

    @property
    def starts(self) -> Mapping[str, int]:
        """How often the server of each pod has been started in the pod."""
        return {name: container.starts for name, container in self._containers.items()}

    async def modes(self) -> dict[str, str]:
        """What each pod says it is: leader, follower, or nothing."""
        return {name: await self._mode(container.host) for name, container in tuple(self._containers.items())}

    async def kill(self, pod: str) -> None:
        """Kill a pod's server; it is started again in the same pod, on the same disk."""
        await asyncio.to_thread(self._containers[pod].server.kill)

    async def hold(self, pod: str) -> None:
        """Kill a pod's server, and start none again before `release` or in a new pod."""
        self._held.add(self._containers[pod].uid)
        await self.kill(pod)

    def release(self, pod: str) -> None:
        """Have a pod that was held start again."""
        self._held.discard(self._containers[pod].uid)

    async def freeze(self, pod: str) -> None:
        """Stop a pod's server (SIGSTOP): connections stay open and nobody answers."""
        await asyncio.to_thread(self._containers[pod].server.freeze)

    def thaw(self, pod: str) -> None:
        """Let a frozen server go on."""
        self._containers[pod].server.thaw()

    def slow_down(self, pod: str, seconds: float) -> None:
        """Have each `fsync` of a pod take so long from now on; 0: no longer than it must."""
        self._delay(pod).write_text(f"{seconds}\n")

    def disk(self, pod: str) -> Path:
        """The directory that is the pod's volume."""
        return self._disks[pod]

    def wipe(self, pod: str) -> None:
        """Lose everything on the volume of a pod that is held."""
        for file in sorted((self.disk(pod) / "data").rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()

    def log(self, pod: str) -> str:
        """What the pod's servers have logged so far."""
        return (self._directory / f"{pod}.log").read_text(errors="replace")

    def _delay(self, pod: str) -> Path:
        return self._directory / f"{pod}.delay"

    async def _run(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(0.1)

    async def _look(self) -> None:
        kube, core = self._plot.site.kube, self._plot.core
        pods = {pod["metadata"]["name"]: pod for pod in (await kube.get(f"{core}/pods"))["items"]}
        for name, container in tuple(self._containers.items()):
            if name not in pods or pods[name]["metadata"]["uid"] != container.uid:
                await asyncio.to_thread(container.server.kill)
                del self._containers[name]
        for name, pod in pods.items():
            if _POD.fullmatch(name) and name not in self._containers:
                await self._start(name, pod)
        for name, container in self._containers.items():
            await self._tend(name, container, pods[name])

    async def _start(self, name: str, pod: Manifest) -> None:
        kube, core = self._plot.site.kube, self._plot.core
        found = _POD.fullmatch(name)
        assert found is not None
        config = await kube.find(f"{core}/configmaps/{found['cluster']}-zk-config")
        secret = await kube.find(f"{core}/secrets/{found['cluster']}-zk-admin")
        claim = await kube.find(f"{core}/persistentvolumeclaims/data-{name}")
        if config is None or secret is None:
            return
        uid = pod["metadata"]["uid"]
        root = self._directory / uid
        disk = self.volume(name, claim["metadata"]["uid"] if claim is not None else f"{uid}-data")
        _lay_out(root, disk, config["data"], _version(pod))
        certificates = SecretVolume.of(pod, root)
        if certificates is not None and not await certificates.refresh(self._plot):
            return
        env = _environment(name, pod, secret["data"]) | {"PATH": f"{root / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"}
        (root / "hosts").write_text(self._names(found["cluster"], env["ZK_DOMAIN"]))
        env["ZK_TLS"] = _moved(env.get("ZK_TLS", ""), root)
        env["SERVER_JVMFLAGS"] = f"{self._jvm} -Djdk.net.hosts.file={root}/hosts {_moved(env['SERVER_JVMFLAGS'], root)}"
        env |= slow_disk.settings(self._plot.site.directory, self._delay(name))
        host = f"{'observer' if found['observer'] else 'member'}-{int(found['ordinal']) + 1}"
        argv = self._network.command(host, ["sh", root / "config" / "start.sh"])
        server = Server(argv, self._directory / f"{name}.log", env)
        await asyncio.to_thread(server.start)
        self._containers[name] = _Container(uid, host, server, certificates=certificates)

    def volume(self, pod: str, name: str) -> Path:
        """The directory of a pod's volume, which is as empty as a new one the first time."""
        disk = self._disks[pod] = self._directory / name
        if not disk.exists():
            disk.mkdir()
            if self._disk_mib is not None:
                self._mounts.enter_context(slow_disk.small(disk, self._disk_mib))
        return disk

    async def _tend(self, name: str, container: _Container, pod: Manifest) -> None:
        """Start a server again that has ended, and tell the API server how the pod is."""
        if container.certificates is not None:
            await container.certificates.refresh(self._plot)
        if not container.server.running and container.uid not in self._held:
            await asyncio.to_thread(container.server.start)
            container.starts += 1
        told = self._status(container, pod, ready=bool(await self._mode(container.host)))
        if told != container.told and await self._plot.site.kube.find(f"{self._plot.core}/pods/{name}") is not None:
            await self._plot.site.kube.merge(f"{self._plot.core}/pods/{name}/status", {"status": told})
            container.told = told

    def _status(self, container: _Container, pod: Manifest, *, ready: bool) -> Manifest:
        address, image = self._network.address(container.host), pod["spec"]["containers"][0]["image"]
        truth = "True" if ready else "False"
        return {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "hostIP": self._network.hub_address,
            "hostIPs": [{"ip": self._network.hub_address}],
            "conditions": [{"type": kind, "status": truth} for kind in ("Ready", "ContainersReady")],
            "containerStatuses": [
                {
                    "name": "zookeeper",
                    "ready": ready,
                    "restartCount": container.starts - 1,
                    "image": image,
                    "imageID": image,
                    "state": {"running": {}},
                }
            ],
        }

    def _names(self, cluster: str, domain: str) -> str:
        return "".join(
            f"{self._network.address(host)} {cluster}-zk-{group}{ordinal}.{domain}\n"
            for kind, group in (("member-", ""), ("observer-", "observers-"))
            for ordinal, host in enumerate(self._network.hosts(kind))
        )

    async def _mode(self, host: str) -> str:
        return await asyncio.to_thread(self._ask, host)

    def _ask(self, host: str) -> str:
        """Ask as the probe of a pod does, from inside."""
        with inside(self._network.netns(host)):
            answer = next(filter(None, map(_srvr, _PLAINTEXT_PORTS)), b"")
        found = re.search(rb"^Mode: (\w+)$", answer, re.MULTILINE)
        return found[1].decode() if found else ""


def _srvr(port: int) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as line:
            line.sendall(b"srvr")
            return b"".join(iter(lambda: line.recv(65536), b""))
    except OSError:
        return b""


class SecretVolume:
    """The files of a Secret as the kubelet has them: names lead through a link that changes for all files at once."""

    def __init__(self, name: str, directory: Path) -> None:
        self._name = name
        self._directory = directory
        self._version = ""

    @classmethod
    def of(cls, pod: Manifest, root: Path) -> "SecretVolume | None":
        """The volume of certificates of a pod, if it has one."""
        found = [volume["secret"] for volume in pod["spec"]["volumes"] if "secret" in volume]
        (root / "run" / "tls").mkdir(parents=True, exist_ok=True)
        return cls(found[0]["secretName"], root / "certificates") if found else None

    async def refresh(self, plot: Plot) -> bool:
        """Write what the Secret has now; whether there is one."""
        secret = await plot.site.kube.find(f"{plot.core}/secrets/{self._name}")
        if secret is not None and secret["metadata"]["resourceVersion"] != self._version:
            self._version = secret["metadata"]["resourceVersion"]
            self._write({key: b64decode(text) for key, text in secret["data"].items()})
        return secret is not None

    def _write(self, files: Mapping[str, bytes]) -> None:
        generation = self._directory / f"..{self._version}"
        generation.mkdir(parents=True)
        for name, content in files.items():
            (generation / name).write_bytes(content)
            link = self._directory / name
            if not link.is_symlink():
                link.symlink_to(Path("..data") / name)
        new = self._directory / "..data_tmp"
        new.symlink_to(generation.name)
        new.replace(self._directory / "..data")


def _moved(text: str, root: Path) -> str:
    """The same with the paths of a container below a directory."""
    paths = r"/(data|config|tmp)/(?=[a-z])|/run/tls\b|(?<==)/certificates\b"
    return re.sub(paths, lambda found: f"{root}{found[0]}", text)


def _version(pod: Manifest) -> str:
    """The release of ZooKeeper that the pod's image names, the last one when it names none of ours."""
    tag = pod["spec"]["containers"][0]["image"].rpartition(":")[2]
    return tag if tag in jars.VERSIONS else jars.VERSIONS[-1]


def _lay_out(root: Path, disk: Path, config: Mapping[str, str], version: str) -> None:
    """Make what a container finds: its volumes, its ConfigMap and the programs of the image."""
    for name in ("config", "tmp", "bin"):
        (root / name).mkdir(parents=True, exist_ok=True)
    if not (root / "data").exists():
        (root / "data").symlink_to(disk)
    for name, text in config.items():
        (root / "config" / name).write_text(_moved(text, root))
    classes = f"{jars.release(version)}/*"
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    _program(root / "bin" / "zkServer.sh", f'exec java $SERVER_JVMFLAGS -cp "{classes}" {main} "$ZOOCFGDIR/zoo.cfg"')
    _program(root / "bin" / "getent", "exit 0")


def _program(file: Path, line: str) -> None:
    file.write_text(f"#!/bin/sh\n{line}\n")
    file.chmod(0o755)


def _environment(name: str, pod: Manifest, secret: Mapping[str, str]) -> dict[str, str]:
    """The environment that the template asks for, references to other variables resolved."""
    env: dict[str, str] = {}
    for entry in pod["spec"]["containers"][0]["env"]:
        source: dict[str, Any] = entry.get("valueFrom") or {}
        if "secretKeyRef" in source:
            env[entry["name"]] = b64decode(secret[source["secretKeyRef"]["key"]]).decode()
        else:
            env[entry["name"]] = name if "fieldRef" in source else entry.get("value", "")
    return {key: re.sub(r"\$\((\w+)\)", lambda found: env.get(found[1], found[0]), text) for key, text in env.items()}
