"""The drill of a backup: a server of its own starts from the copy alone, in the pod of the Job, and takes a write. I/O.

Two containers share a folder and the loopback of their pod. The Job's own one fetches the copy and checks it, writes
the configuration, and makes the file `ready`; the other one waits for that file and becomes a server.
"""

import asyncio
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from zkoperator.backup.failure import BackupError
from zkoperator.backup.order import Reason
from zkoperator.errors import TransientError
from zkoperator.zk.admin import four_letter_word
from zkoperator.zk.port import Create, Zk
from zkoperator.zk.session import SessionSettings, connect

HOST: Final = "127.0.0.1"
WRITTEN: Final = "/zkoperator-drill"
"""The znode that is written to the server of the drill, and read back."""
DATA, CONFIGURATION, READY = "data/version-2", "conf", "ready"

_LOOK_S: Final = 0.5
_ANSWER_S: Final = 10.0
_AT_ONCE_S: Final = 20
_CFG: Final = """\
tickTime=2000
initLimit=300
syncLimit=10
dataDir={folder}/data
reconfigEnabled=true
standaloneEnabled=false
admin.enableServer=false
4lw.commands.whitelist=srvr, mntr
dynamicConfigFile={folder}/conf/zoo.cfg.dynamic
"""
_LOGBACK: Final = """\
<configuration>
  <appender name="console" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{ISO8601} %-5p %c{1} %m%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="console"/></root>
</configuration>
"""
_DYNAMIC: Final = "server.1=127.0.0.1:{}:{}:participant;127.0.0.1:{}\n"


def prepare(folder: Path, ports: tuple[int, ...]) -> None:
    """Write the configuration of an ensemble of one on the loopback. The ports are of clients, quorum and elections.

    Raises:
        BackupError: the folder cannot be written.
    """
    try:
        for name in (DATA, CONFIGURATION):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "data" / "myid").write_text("1\n")
        client, *peers = ports
        (folder / CONFIGURATION / "zoo.cfg.dynamic").write_text(_DYNAMIC.format(*peers, client))
        (folder / CONFIGURATION / "logback.xml").write_text(_LOGBACK)
        (folder / CONFIGURATION / "zoo.cfg").write_text(_CFG.format(folder=folder))
    except OSError as error:
        raise BackupError(Reason.STORAGE_FULL, f"{folder}: {os.strerror(error.errno or 0)}") from error


async def rehearse(folder: Path, znodes: int, port: int) -> None:
    """Have the server start, and compare what it has with the backup.

    Args:
        folder: with the backup and the configuration.
        znodes: in the backup.
        port: for clients.

    Raises:
        BackupError: it has other data than the backup, or takes no write.
    """
    (folder / READY).touch()
    told = await _leading(port)
    # A server counts the root twice, by the names "" and "/".
    mismatches, found = _number(told, "zk_digest_mismatches_count"), _number(told, "zk_znode_count") - 1
    if mismatches != 0:
        message = f"a server that starts from the copy counts {mismatches} digest mismatches"
        raise BackupError(Reason.DIGEST_DIFFERS, message)
    if found != znodes:
        message = f"a server that starts from the copy has {found} znodes, the backup has {znodes}"
        raise BackupError(Reason.DIGEST_DIFFERS, message)
    await _write(port)


async def _leading(port: int) -> str:
    """Return the answer to `mntr` of the server once it leads. The deadline of the order ends the wait."""
    while True:
        with suppress(TransientError):  # it is starting
            srvr = await four_letter_word(HOST, port, "srvr", timeout_s=_ANSWER_S)
            if "Mode: leader" in srvr:
                return await four_letter_word(HOST, port, "mntr", timeout_s=_ANSWER_S)
        await asyncio.sleep(_LOOK_S)


async def _write(port: int) -> None:
    opened = connect([f"{HOST}:{port}"], settings=SessionSettings(session_timeout_s=_AT_ONCE_S))
    try:
        await _write_and_read(opened)
    finally:
        await opened.close()


async def _write_and_read(zk: Zk) -> None:
    await zk.create(Create(WRITTEN, b"drill"))
    if (await zk.get(WRITTEN)).data != b"drill":
        raise BackupError(Reason.INVALID, f"a server that starts from the copy has lost a write to {WRITTEN}")


def _number(mntr: str, name: str) -> int:
    found = re.search(rf"^{name}\t(\d+)", mntr, re.MULTILINE)
    if found is None:
        raise BackupError(Reason.INVALID, f"a server that starts from the copy does not tell {name}")
    return int(found[1])
