"""The start procedure and a real server under a user that no image knows, as a platform assigns it."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import jars
from testbed.processes import free_ports
from testbed.zookeepers import Member
from tests.support.models.ensemble_simulation import raw_cluster, valid
from tests.support.waiting import eventually
from zkoperator.ensemble.build.start_script import start_script
from zkoperator.ensemble.build.zoocfg import zoo_cfg
from zkoperator.errors import TransientError
from zkoperator.zk.admin import SocketProbe

USER, GROUP = 1000660000, 1000660001
"""As OpenShift assigns them: the primary group is root's, and the volumes belong to a group of the namespace."""
HOST = "main-zk-0.main-zk-members.demo.svc.cluster.local"


@pytest.fixture
def volumes() -> Iterator[Path]:
    """The directories of a member: the data belongs to the group, all can read the files, nothing is the user's."""
    root = Path(tempfile.mkdtemp(prefix="zkoperator-user-"))
    root.chmod(0o755)
    for name in ("bin", "config", "lib"):
        (root / name).mkdir(mode=0o755)
    for name, mode in (("data", 0o2775), ("tmp", 0o777), ("dev", 0o777)):
        (root / name).mkdir()
        os.chown(root / name, 0, GROUP)
        (root / name).chmod(mode)
    yield root
    shutil.rmtree(root)


def prepared(root: Path, member: Member) -> str:
    """The start procedure for these directories, with a server at its end as the image has it."""
    for jar in jars.release(jars.VERSIONS[-1]).rglob("*.jar"):
        shutil.copyfile(jar, root / "lib" / jar.name)
        (root / "lib" / jar.name).chmod(0o644)
    (metrics,) = free_ports(member.address, 1)
    configuration = zoo_cfg(valid(raw_cluster(1))).replace("=7000", f"={metrics}").replace("=/data/", f"={root}/data/")
    files = {
        "zoo.cfg": f"{configuration}admin.enableServer=false\n",
        "members": f"server.1={HOST}:{member.peer_port}:{member.election_port}:participant;{member.hosts}\n",
        "hosts": f"{member.address} {HOST}\n",
        "bootstrap": "word",
        "ensemble": "uid",
    }
    for name, text in files.items():
        (root / "config" / name).write_text(text)
        (root / "config" / name).chmod(0o444)
    server = root / "bin" / "zkServer.sh"
    server.write_text(
        f'#!/bin/sh\nexec java -Xmx64m "-Djdk.net.hosts.file={root}/config/hosts" -cp "{root}/lib/*" '
        'org.apache.zookeeper.server.quorum.QuorumPeerMain "$ZOOCFGDIR/zoo.cfg"\n'
    )
    server.chmod(0o755)
    (root / "bin" / "getent").symlink_to("/bin/true")
    return re.sub(r"/(data|config|tmp|dev)/(?=[a-mo-z])", lambda found: f"{root}{found[0]}", start_script())


async def test_a_member_starts_and_starts_again_as_a_user_that_the_image_does_not_know(volumes: Path) -> None:
    member = Member.allocate(1)
    script = prepared(volumes, member)
    environment = {
        "PATH": f"{volumes}/bin:{os.environ['PATH']}",
        "POD_NAME": "main-zk-0",
        "ZK_DOMAIN": HOST.partition(".")[2],
        "ZK_BOOTSTRAP": "word",
        "ZK_SERVER_HEAP": "64",
    }

    async def serves() -> bool:
        try:
            return "Mode:" in await SocketProbe(timeout_s=10).ask(member.address, member.client_port, "srvr")
        except TransientError:
            return False

    for _ in range(2):
        process = subprocess.Popen(
            ["/bin/sh", "-c", script],
            env=environment,
            cwd=volumes,
            user=USER,
            group=0,
            extra_groups=[GROUP],
            stdout=(volumes / "log").open("ab"),
            stderr=subprocess.STDOUT,
        )
        try:
            await eventually(serves, within_s=120)
        finally:
            process.kill()
            process.wait()
    assert (volumes / "data" / "data" / "myid").stat().st_uid == USER
    said = (volumes / "log").read_text()
    assert said.count("founding the ensemble") == said.count("restarting with configuration") == 1
