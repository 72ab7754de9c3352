"""The volume of a member, on which the start procedure is run by a real shell; the server at its end is a stand-in."""

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from zkoperator.ensemble.build.start_script import start_script

MEMBERS = "".join(
    f"server.{n}=main-zk-{n - 1}.main-zk-members.demo.svc.cluster.local:2888:3888:participant;0.0.0.0:2181\n"
    for n in (1, 2, 3)
)
DOMAIN = "main-zk-members.demo.svc.cluster.local"
ENSEMBLE = "uid-of-main"
COPY = MEMBERS.replace(".demo.", ".production.")
"""What a volume says that was copied from another namespace."""
ORIGIN = "main-zk-members.production.svc.cluster.local"
PRAVEGA = "server.2=zk-1.zk-headless.old.svc.cluster.local:2888:3888:participant;0.0.0.0:2181\n"


RESOLVER = 'echo "$2" >>"${0%/*}/asked"'
HASTY_CLOCK = 'now=$(($(cat "${0%/*}/now" 2>/dev/null || echo 0) + 4)); echo "$now" >"${0%/*}/now"; echo "$now"'
"""Four seconds pass between two looks at it."""


@dataclass
class Volume:
    root: Path
    tools: dict[str, str] = field(default_factory=lambda: {"getent": RESOLVER})
    ensemble: str = ENSEMBLE
    consent: str = ""
    heap_percent: str = "50"
    beside_heap: str = "0"
    flags: str = "-XX:+UseG1GC"
    client: str = "0.0.0.0:2181"
    tls: str = ""
    incarnation: str = ""
    seed: str = ""
    seed_from: str = ""
    first_id: str = ""
    script: str = field(default_factory=start_script)
    lacks: str = ""
    """A program that the image does not have."""

    def start(self, pod: str = "main-zk-1", *, word: str = "", permitted: str = "") -> str:
        """Run the script; returns the dynamic configuration that the server would read."""
        done = self.run(pod, word, permitted)
        assert done.returncode == 0, done.stdout + done.stderr
        (pointer,) = [line for line in done.stdout.splitlines() if line.startswith("dynamicConfigFile=")]
        return Path(pointer.partition("=")[2]).read_text()

    def refuses(self, pod: str = "main-zk-1", *, word: str = "", permitted: str = "") -> str:
        """Run the script, which must not start the server; returns what it says."""
        done = self.run(pod, word, permitted)
        assert done.returncode != 0
        assert "dynamicConfigFile=" not in done.stdout
        return done.stdout

    def run(self, pod: str, word: str, permitted: str) -> "subprocess.CompletedProcess[str]":
        script, env = self._prepared(pod, word, permitted)
        return subprocess.run(["/bin/sh", "-c", script], env=env, capture_output=True, text=True, check=False)

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Run the script with a server that goes on."""
        script, env = self._prepared("main-zk-1", "", "")
        (self.root / "bin" / "zkServer.sh").write_text("#!/bin/sh\nexec sleep 60\n")
        with subprocess.Popen(["/bin/sh", "-c", script], env=env, stdout=subprocess.DEVNULL) as server:
            try:
                yield
            finally:
                server.kill()

    def _prepared(self, pod: str, word: str, permitted: str) -> tuple[str, dict[str, str]]:
        """The script for this directory, and its environment."""
        config, tmp, binary = (self.root / name for name in ("config", "tmp", "bin"))
        for directory in (config, tmp, binary):
            directory.mkdir(exist_ok=True)
        (config / "zoo.cfg").write_text("tickTime=2000\n")
        (config / "members").write_text(MEMBERS)
        (config / "bootstrap").write_text(permitted)
        (config / "ensemble").write_text(self.ensemble)
        (config / "take-over").write_text(self.consent)
        (config / "heap-percent").write_text(self.heap_percent)
        (config / "beside-heap").write_text(self.beside_heap)
        (config / "client").write_text(self.client)
        server = binary / "zkServer.sh"
        server.write_text('#!/bin/sh\ncat "$ZOOCFGDIR/zoo.cfg"\necho "jvm: -Xmx${ZK_SERVER_HEAP}m $SERVER_JVMFLAGS"\n')
        server.chmod(0o755)
        for name, tool in self.tools.items():
            (binary / name).write_text(f"#!/bin/sh\n{tool}\n")
            (binary / name).chmod(0o755)
        paths = r"/(data|config|tmp|dev|sys)/(?=[a-mo-z])|(?<==)/(certificates|run/tls)\b"
        script = re.sub(paths, lambda found: f"{self.root}{found[0]}", self.script).replace("sleep 5", "sleep 0.05")
        (self.root / "dev").mkdir(exist_ok=True)
        path = f"{binary}:/usr/bin:/bin"
        if self.lacks:
            path = self._image_without(self.lacks, binary)
        return script, {
            "POD_NAME": pod,
            **({"ZK_FIRST_ID": self.first_id} if self.first_id else {}),
            "ZK_DOMAIN": DOMAIN,
            "ZK_BOOTSTRAP": word,
            "PATH": path,
            "ZK_SERVER_HEAP": "512",
            "SERVER_JVMFLAGS": self.flags,
            "ZK_TLS": self.tls,
            **({"ZK_INCARNATION": self.incarnation, "ZK_SEED": self.seed} if self.incarnation else {}),
            **({"ZK_SEED_FROM": self.seed_from} if self.seed_from else {}),
        }

    def _image_without(self, lacking: str, binary: Path) -> str:
        image = self.root / "image"
        image.mkdir()
        for tool in ("bash", "cat", "date", "grep", "mkdir", "mv", "rm", "sed", "sleep", "sort", "zkServer.sh"):
            own = binary / tool
            if tool != lacking:
                (image / tool).symlink_to(own if own.exists() else str(shutil.which(tool)))
        return str(image)

    def deliver(self, **files: str) -> None:
        """Change the Secret's volume as the kubelet does: all files at once, by a link."""
        volume = self.root / "certificates"
        (self.root / "run" / "tls").mkdir(parents=True, exist_ok=True)
        generation = volume / f"..{len(list(volume.glob('..[0-9]*')))}"
        generation.mkdir(parents=True)
        for name, text in files.items():
            (generation / f"{name.replace('_', '-')}.pem").write_text(text)
        (volume / "..tmp").symlink_to(generation.name)
        (volume / "..tmp").rename(volume / "..data")

    @property
    def certificates(self) -> dict[str, str]:
        """What the server finds where it looks for certificates."""
        return {file.stem: file.read_text() for file in (self.root / "run" / "tls").glob("[a-z]*.pem")}

    @property
    def data(self) -> Path:
        return self.root / "data" / "data"

    @property
    def conf(self) -> Path:
        return self.root / "data" / "conf"

    def put(self, version: str, content: str = MEMBERS) -> None:
        self.conf.mkdir(parents=True, exist_ok=True)
        (self.conf / f"zoo.cfg.dynamic.{version}").write_text(content)

    def fill(self, *names: str) -> list[Path]:
        """Put data there, as a server or a person would."""
        (self.data / "version-2").mkdir(parents=True, exist_ok=True)
        files = [self.data / "version-2" / name for name in names]
        for file in files:
            file.touch()
        return files

    def limit(self, text: str, file: str = "memory.max") -> None:
        """Have the container's cgroup say this of its memory."""
        path = self.root / "sys" / "fs" / "cgroup" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")

    @property
    def jvm(self) -> list[str]:
        """The flags with which the server is started."""
        (line,) = [line for line in self.run("main-zk-1", "", "").stdout.splitlines() if line.startswith("jvm: ")]
        return line.split()[1:]

    @property
    def mark(self) -> str:
        file = self.conf / "ensemble"
        return file.read_text().strip() if file.exists() else ""

    @property
    def last_words(self) -> str:
        """What the kubelet would put into the status of the pod."""
        file = self.root / "dev" / "termination-log"
        return file.read_text() if file.exists() else ""

    def wipe(self) -> None:
        subprocess.run(["rm", "-rf", str(self.root / "data")], check=True)


def with_bug(root: Path, old: str, new: str) -> Volume:
    """A new volume, on which a script runs that has another passage in place of one of its own."""
    script = start_script()
    assert script.count(old) == 1, "the script has changed: seed its bug anew"
    (root / "data").mkdir()
    return Volume(root, script=script.replace(old, new))


def voters(dynamic: str) -> list[str]:
    return [line.partition("=")[0] for line in dynamic.splitlines() if ":participant;" in line]
