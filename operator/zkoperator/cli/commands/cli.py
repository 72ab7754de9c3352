"""`cli`: a ZooKeeper shell in a member, with kubectl's exec and the rights of whoever calls it."""

import argparse
import asyncio
import os
import shutil
import sys
from collections.abc import Sequence

from zkoperator.cli.view.connection import add_connection, connect, namespace_of
from zkoperator.cli.view.members import MEMBER, is_ready, name_of, pods_of
from zkoperator.cli.view.objects import fetch
from zkoperator.cli.view.shell_pod import shell_pod
from zkoperator.cli.view.usage import UsageError
from zkoperator.controller.cluster_access import shell_port
from zkoperator.ensemble.model.names import CONTAINER
from zkoperator.errors import FieldError, InvalidError
from zkoperator.kube.port import ZOOKEEPER_CLUSTERS, Manifest

NAME = "cli"
HELP = "open zkCli.sh in a member of an ensemble, or run one command of it: `cli main -- ls -R /apps`"

SCRIPT = """\
limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || :)
used=$(sed -n 's/^anon //p' /sys/fs/cgroup/memory.stat 2>/dev/null || :)
case $limit in '' | *[!0-9]*) ;; *)
  if [ -n "$used" ] && [ $((limit - used)) -lt 134217728 ]; then
    echo "this member has less than 128 MiB of memory to spare, so a shell could end it; use a pod of its own:" >&2
    printf '%s\\n' "$1" >&2
    exit 1
  fi ;;
esac
port=$2
shift 2
export ZK_CLIENT_HEAP=48 JVMFLAGS= CLIENT_JVMFLAGS="-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
exec zkCli.sh -server 127.0.0.1:$port "$@"
"""
"""The member's own memory limit holds for the shell too, and a limit that is exceeded ends the whole container.

Its arguments: what to do where memory is short, the port for plaintext inside the pod, and the words of the shell.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments; `words`, those behind `--`, are not for argparse."""
    parser.usage = "%(prog)s CLUSTER [flags] [-- COMMAND [ARGUMENT ...]]"
    parser.add_argument("cluster", help="name of the ZooKeeperCluster")
    parser.add_argument("--member", metavar="MEMBER", help=f"{MEMBER}; default: a follower that is ready")
    add_connection(parser)


def run(arguments: argparse.Namespace) -> int:
    """Become kubectl."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        message = "is not in PATH; this command needs it, so it does not work in the operator's pod"
        raise UsageError((FieldError("kubectl", message),))
    words = asyncio.run(_words(arguments))
    os.execv(kubectl, [kubectl, *words])  # noqa: S606 - nothing of it is read by a shell of ours


async def _words(arguments: argparse.Namespace) -> list[str]:
    namespace = namespace_of(arguments)
    wanted = [] if arguments.member is None else [arguments.member]
    async with connect(arguments) as api:
        raw = await fetch(api, ZOOKEEPER_CLUSTERS, namespace, arguments.cluster)
        pod = choice(await pods_of(api, namespace, arguments.cluster, wanted), raw)
    return kubectl_words(arguments, namespace, pod, raw)


def choice(pods: Sequence[Manifest], raw: Manifest) -> Manifest:
    """Return a member that is ready, the leader only where nobody else is.

    Raises:
        InvalidError: none is ready.
    """
    leader = str((raw.get("status") or {}).get("leader", ""))
    ready = sorted(filter(is_ready, pods), key=lambda pod: name_of(pod) == leader)
    if not ready:
        named = ", ".join(map(name_of, pods))
        raise InvalidError((FieldError(named, "not ready; see `status` and `logs`"),))
    return ready[0]


def kubectl_words(arguments: argparse.Namespace, namespace: str, pod: Manifest, raw: Manifest) -> list[str]:
    """Return the arguments of kubectl: with a terminal for a shell, without for one command."""
    place = ["--namespace", namespace]
    place += ["--kubeconfig", arguments.kubeconfig] if arguments.kubeconfig else []
    place += ["--context", arguments.context] if arguments.context else []
    input_flags = [] if arguments.words else ["--stdin"]
    input_flags += ["--tty"] if input_flags and sys.stdin.isatty() else []
    image = next(c["image"] for c in pod["spec"]["containers"] if c["name"] == CONTAINER)
    target = [name_of(pod), "--container", CONTAINER, *input_flags]
    script = ["sh", "-c", SCRIPT, "zkcli", shell_pod(place, raw, image), str(shell_port(raw))]
    return ["exec", *place, *target, "--", *script, *arguments.words]
