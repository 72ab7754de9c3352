"""Messages about the znodes that stay behind at the end of a ConfigSync, and how to remove them. Pure."""

from collections.abc import Collection
from shlex import quote
from typing import Final

from zkoperator.mirror.validate import ValidatedSync
from zkoperator.zk.paths import join

_NAMED: Final = 5


def all_left(sync: ValidatedSync, port: int, why: str) -> str:
    """Return the note that nothing was deleted, with the command that deletes everything.

    `port`: on which a member takes connections without TLS from its own pod.
    """
    command = f"{_shell(sync, port)} deleteall {quote(sync.source.root)}"
    return (
        f"left behind at {sync.source.root}: all znodes ({why}); to remove the root and everything below it: {command}"
    )


def some_left(sync: ValidatedSync, port: int, edited: Collection[str], refused: Collection[str]) -> str:
    """Return the note about what was not deleted, "" when there is nothing. Both are paths relative to the root."""
    parts = [
        f"{what}: {_names(paths)}"
        for what, paths in (("what others have written since", edited), ("what may not be deleted", refused))
        if paths
    ]
    if not parts:
        return ""
    first = min([*edited, *refused])
    path = sync.source.root if first == "" else join(sync.source.root, first)
    command = f"{_shell(sync, port)} delete {quote(path)}"
    return f"left behind at {sync.source.root}: {'; '.join(parts)}; to remove one: {command}"


def _names(paths: Collection[str]) -> str:
    named = ", ".join(path or "the data of the root" for path in sorted(paths)[:_NAMED])
    return named if len(paths) <= _NAMED else f"{named} and {len(paths) - _NAMED} more"


def _shell(sync: ValidatedSync, port: int) -> str:
    if sync.cluster is not None:
        return f"kubectl exec -n {sync.cluster.namespace} {sync.cluster.name}-zk-0 -- zkCli.sh -server localhost:{port}"
    tls = " -client-configuration FILE_WITH_TLS_SETTINGS" if sync.source.tls is not None else ""
    return f"zkCli.sh{tls} -server {','.join(sync.source.hosts)}"
