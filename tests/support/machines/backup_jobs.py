"""Backup Jobs as processes, as the operator starts them, and the other container of a drill."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed import jars
from testbed.zookeepers import Ensemble
from zkoperator.backup.build.drill import DRILL, Server, server_container
from zkoperator.backup.order import (
    VARIABLE,
    BackupOrder,
    Complete,
    Facts,
    LoginFiles,
    Order,
    Result,
    Source,
    Store,
    VerifyOrder,
    order_to_json,
    result_from_json,
)

DIRECTORY = "demo/main/c-1"


class Jobs:
    """Backup Jobs as the operator starts them."""

    def __init__(self, ensemble: Ensemble, store: Store, folder: Path) -> None:
        self._source = Source(
            tuple(ensemble.hosts.split(",")), login=LoginFiles(str(folder / "username"), str(folder / "password"))
        )
        (folder / "username").write_text("super")
        (folder / "password").write_text(ensemble.password)
        (folder / "key").write_bytes(bytes(range(32)))
        self.ensemble = ensemble
        self.store = store
        self._folder = folder

    def order(self, uid: str, *, is_encrypted: bool = False, previous: str | None = None) -> BackupOrder:
        key = str(self._folder / "key") if is_encrypted else None
        return BackupOrder(uid, self._source, self.store, DIRECTORY, previous=previous, key_file=key)

    def start(self, order: Order) -> "subprocess.Popen[bytes]":
        result = self._folder / f"result-{secrets.token_hex(4)}"
        argv = [sys.executable, "-m", "zkoperator", "backup-job", "--result", str(result)]
        env = {**os.environ, VARIABLE: order_to_json(order), "TMPDIR": str(self._folder), "RESULT": str(result)}
        process = subprocess.Popen(argv, env=env, stderr=subprocess.PIPE)
        process.args = result
        return process

    async def run(self, order: Order) -> Result:
        process = self.start(order)
        _, errors = await asyncio.to_thread(process.communicate)
        assert isinstance(process.args, Path)
        assert process.args.exists(), errors.decode()
        result = result_from_json(process.args.read_text())
        assert process.returncode == (0 if isinstance(result, Complete) else 1), errors.decode()
        return result

    async def facts(self, order: Order) -> Facts:
        result = await self.run(order)
        assert isinstance(result, Complete) and result.backup is not None, result
        return result.backup

    async def fetch(self, order: BackupOrder, location: str, target: Path) -> Path:
        target.mkdir(parents=True)
        await self.facts(VerifyOrder(self.store, location, target=str(target), key_file=order.key_file))
        (file,) = target.iterdir()
        return file


@contextmanager
def waiting_server(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The other container of a drill: its command with the folder of the test, and the script of the image in short."""
    container, programs = server_container(Server("zookeeper"), 0), folder.parent / "bin"
    programs.mkdir()
    classes, main = f"{jars.release(jars.VERSIONS[-1])}/*", "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    script = programs / "zkServer.sh"
    script.write_text(f'#!/bin/sh\nexec java $SERVER_JVMFLAGS -cp "{classes}:$ZOOCFGDIR" {main} "$ZOOCFGDIR/zoo.cfg"\n')
    script.chmod(0o755)
    told = {each["name"]: each["value"].replace(DRILL, str(folder)) for each in container["env"]}
    environment = {**os.environ, **told, "PATH": f"{programs}:{os.environ['PATH']}"}
    command = [word.replace(DRILL, str(folder)) for word in container["command"]]
    with (folder.parent / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
