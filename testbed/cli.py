"""The command line of the testbed."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from testbed import addons, binaries, cluster, local
from testbed.errors import TestbedError
from testbed.layout import layout
from testbed.providers import choose, made_here
from testbed.words import DEFAULT_NAME, testbed


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.command(arguments)
    except TestbedError as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="testbed", description="A real Kubernetes and real ZooKeeper servers.")
    parser.add_argument("--name", default=DEFAULT_NAME, help="the cluster (default: %(default)s)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], None], what: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=what, description=what)
        added.set_defaults(command=command)
        return added

    add("build", _build, "build what is missing, once")
    up = add("up", _up, "bring a cluster up")
    up.add_argument("--nodes", type=int, default=1, help="(default: %(default)s)")
    up.add_argument("--with-operator", action="store_true", help="with the operator's image on the nodes")
    add("down", _down, "remove a cluster; its logs stay")
    clean = add("clean", _clean, "remove clusters and their logs, whatever they were made by")
    clean.add_argument("names", nargs="+", metavar="NAME")
    add("status", _status, "show the nodes and the memory of their processes")
    add("kubeconfig", _kubeconfig, "print the path of the administrator's kubeconfig")
    add("load", _load, "put an image archive on every node").add_argument("archive", type=Path)
    add("load-operator", _load_operator, "build the operator's image and put it on every node")
    for name, command, what in (
        ("exec", _exec, "run a command that reaches the API server, Services and pods"),
        ("on", _on, "run a command in the network of a node"),
    ):
        added = add(name, command, what)
        if name == "on":
            added.add_argument("node")
        added.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- CMD ...")
    for name, command, what in (
        ("cut", _cut, "pull the network cable of a node"),
        ("heal", _heal, "put the network cable of a node back"),
    ):
        add(name, command, what).add_argument("node")
    add("addons", _addons, "(internal) a process of a cluster").add_argument("--nodes", type=int, required=True)
    return parser


def _build(_: argparse.Namespace) -> None:
    local.prepare(with_operator=True)
    for program in binaries.FOR_TESTS:
        program()


def _up(arguments: argparse.Namespace) -> None:
    provider = choose(arguments.name)
    provider.up(arguments.nodes, with_operator=arguments.with_operator)
    print(f"kubeconfig: {provider.kubeconfig()}")
    print(f"try:        {testbed(arguments.name)} exec -- kubectl get nodes")


def _down(arguments: argparse.Namespace) -> None:
    choose(arguments.name).down()


def _clean(arguments: argparse.Namespace) -> None:
    for name in arguments.names:
        for provider in made_here(name):
            provider.down(logs=True)


def _status(arguments: argparse.Namespace) -> None:
    provider = choose(arguments.name)
    print(provider.describe())
    nodes = ["kubectl", "get", "nodes", "-L", "topology.kubernetes.io/zone"]
    _become(provider.inside(nodes), provider.environment())


def _kubeconfig(arguments: argparse.Namespace) -> None:
    print(choose(arguments.name).kubeconfig())


def _load(arguments: argparse.Namespace) -> None:
    choose(arguments.name).load(arguments.archive)


def _load_operator(arguments: argparse.Namespace) -> None:
    choose(arguments.name).load_operator()


def _exec(arguments: argparse.Namespace) -> None:
    provider = choose(arguments.name)
    _become(provider.inside(_argv(arguments)), provider.environment())


def _on(arguments: argparse.Namespace) -> None:
    provider = choose(arguments.name)
    _become(provider.on(arguments.node, _argv(arguments)), provider.environment())


def _cut(arguments: argparse.Namespace) -> None:
    choose(arguments.name).cut(arguments.node)


def _heal(arguments: argparse.Namespace) -> None:
    choose(arguments.name).heal(arguments.node)


def _addons(arguments: argparse.Namespace) -> None:
    made = cluster.Cluster(layout(arguments.name, arguments.nodes))
    addons.run(made.plane, made.layout)


def _argv(arguments: argparse.Namespace) -> list[str]:
    argv = list(arguments.argv)
    if argv[:1] == ["--"]:
        argv = argv[1:]
    if not argv:
        raise TestbedError(f"which command? for example: {testbed(arguments.name)} exec -- kubectl get pods -A")
    return argv


def _become(argv: Sequence[str], environment: Mapping[str, str]) -> None:
    sys.stdout.flush()
    try:
        os.execvpe(argv[0], list(argv), environment)
    except OSError as error:
        raise TestbedError(f"{argv[0]}: {error.strerror}") from error
