"""The demo's story, run where pods and Services are reached: an independent client, kubectl, and a clock."""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, KazooException, OperationTimeoutError, SessionExpiredError

from testbed.words import DEFAULT_NAME, python, testbed

_NAMESPACE = "demo"
_HOSTS = "main-zk.demo.svc.cluster.local:2181"
_COLOUR = "/apps/shop/colour"
_OBJECTS = Path(__file__).parent / "demo.yaml"
PREFIX = f"{testbed(DEFAULT_NAME)} exec --"

_NEXT = f"""
It is left running. Try next:
  {PREFIX} kubectl -n demo get zk,zksync,pods
  {PREFIX} kubectl -n demo edit configmap shop
  {PREFIX} kubectl -n demo scale zk/main --replicas=3
  {PREFIX} kubectl -n demo describe zk/main
  {PREFIX} {python()} -m zkoperator status -n demo
Remove it with: make cluster-down"""


class StoryError(Exception):
    """A step did not happen within its generous limit."""


def main() -> int:
    """Tell it; returns the exit status."""
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)  # it speaks of every connection that the story cuts
    try:
        _tell()
    except (StoryError, KazooException) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    print(_NEXT)
    return 0


def _tell() -> None:
    with _timed("an ensemble of three members"):
        _kubectl("apply", "-f", str(_OBJECTS))
        _ready()
    print(_kubectl("get", "zk"))
    client = KazooClient(hosts=_HOSTS, connection_retry={"max_tries": -1, "delay": 0.05, "max_delay": 0.5})
    client.start(timeout=60)
    try:
        _travel(client)
        _applications(client)
        _kill_the_leader()
        _grow()
    finally:
        client.stop()
        client.close()


def _travel(client: KazooClient) -> None:
    client.ensure_path("/apps/shop")
    if client.exists(_COLOUR) is None:
        client.create(_COLOUR, b"red")
    _until("the first ConfigMap", lambda: _colour() != "")
    # A watch of our own tells when the ConfigMap has changed; asking again and again would add its own delay.
    watch = _Watch()
    watch.wait_for("")
    started = time.monotonic()
    client.set(_COLOUR, b"green")
    watch.wait_for("green")
    print(f"==> znode to ConfigMap: {1000 * (time.monotonic() - started):.0f} ms")
    watch.end()
    seen = threading.Event()

    def notice(data: bytes | None, _: object) -> None:
        if data == b"blue":
            seen.set()

    client.DataWatch(_COLOUR, notice)
    patch = '{"data":{"colour":"blue"}}'
    _kubectl("patch", "configmap", "shop", "--type=merge", "-p", patch)
    started = time.monotonic()
    if not seen.wait(30):
        raise StoryError("the edit of the ConfigMap did not reach the znode within 30 s")
    print(f"==> ConfigMap to znode: {1000 * (time.monotonic() - started):.0f} ms after kubectl returned")


def _applications(client: KazooClient) -> None:
    with _timed("two applications with the colour of the ConfigMap"):
        for name in ("reading", "restarted"):
            _kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s")
    client.set(_COLOUR, b"gold")
    with _timed("one reads the new colour from its mounted file"):
        _until("the mounted file", lambda: _says("reading", "gold"), within_s=150)
    with _timed("one is restarted once with the new colour"):
        _until("the restart", lambda: _says("restarted", "gold"), within_s=150)


def _kill_the_leader() -> None:
    writer = _Writer()
    leader = _kubectl("get", "zk/main", "-o", "jsonpath={.status.leader}")
    with _timed(f"the leader {leader} is killed while writes go on"):
        _kubectl("delete", "pod", leader, "--grace-period=0", "--force", "--wait=false")
        _until("another leader", lambda: _other_leader(leader), within_s=60)
        _ready()
    print(f"    {writer.end()}")


def _grow() -> None:
    writer = _Writer()
    with _timed("it grows to five"):
        _kubectl("scale", "zk/main", "--replicas=5")
        _ready()
    print(f"    {writer.end()}")
    print(_kubectl("get", "zk,zksync"))


class _Watch:
    """`kubectl get --watch` on the colour."""

    def __init__(self) -> None:
        command = ["kubectl", "-n", _NAMESPACE, "get", "configmap", "shop", "--watch", "-o"]
        self._process = subprocess.Popen(
            [*command, 'jsonpath={.data.colour}{"\\n"}'], stdout=subprocess.PIPE, text=True
        )

    def wait_for(self, colour: str) -> None:
        """Return when a line has the colour; any line will do for an empty one."""
        for line in self._process.stdout or ():
            if not colour or line.strip() == colour:
                return
        raise StoryError("the watch of the ConfigMap ended")

    def end(self) -> None:
        """Stop watching."""
        self._process.kill()
        self._process.wait()


class _Writer:
    """Writes every few milliseconds, through a session of its own that any member may serve."""

    def __init__(self) -> None:
        retry = {"max_tries": -1, "delay": 0.02, "max_delay": 0.1}
        self._client = KazooClient(hosts=_HOSTS, connection_retry=retry)
        self._client.start(timeout=60)
        self._client.ensure_path("/demo")
        self._stop = threading.Event()
        self._written = 0
        self._longest_s = 0.0
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def end(self) -> str:
        """Stop, and say what was seen."""
        self._stop.set()
        self._thread.join(30)
        self._client.stop()
        self._client.close()
        return f"{self._written} writes acknowledged, the longest gap between two of them {self._longest_s:.2f} s"

    def _put(self, data: bytes) -> None:
        while not self._stop.is_set():
            with suppress(ConnectionLoss, SessionExpiredError, OperationTimeoutError):
                self._client.set("/demo", data)
                return
            self._stop.wait(0.02)

    def _write(self) -> None:
        last = time.monotonic()
        while not self._stop.wait(0.005):
            self._put(str(self._written).encode())
            now = time.monotonic()
            self._longest_s, last = max(self._longest_s, now - last), now
            self._written += 1


@contextmanager
def _timed(what: str) -> Iterator[None]:
    print(f"==> {what}", flush=True)
    started = time.monotonic()
    yield
    print(f"    {time.monotonic() - started:.1f} s", flush=True)


def _kubectl(*arguments: str) -> str:
    done = subprocess.run(["kubectl", "-n", _NAMESPACE, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise StoryError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def _ready() -> None:
    # `wait` alone would be content with a condition of the generation before.
    wanted = _kubectl("get", "zk/main", "-o", "jsonpath={.metadata.generation}")
    seen = "{.status.observedGeneration}"
    _until("the operator", lambda: _kubectl("get", "zk/main", "-o", f"jsonpath={seen}") == wanted)
    _kubectl("wait", "--for=condition=Ready", "zk/main", "--timeout=240s")


def _colour() -> str:
    return _kubectl("get", "configmap", "shop", "--ignore-not-found", "-o", "jsonpath={.data.colour}")


def _says(deployment: str, colour: str) -> bool:
    try:
        return f"colour is {colour}" in _kubectl("logs", "-l", f"app={deployment}", "--tail=1").splitlines()
    except StoryError:  # a container that is just being made has no log
        return False


def _other_leader(than: str) -> bool:
    return _kubectl("get", "zk/main", "-o", "jsonpath={.status.leader}") not in ("", than)


def _until(what: str, holds: Callable[[], bool], *, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            raise StoryError(f"{what}: not within {within_s:.0f} s; see {PREFIX} kubectl -n demo describe zk,zksync")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
