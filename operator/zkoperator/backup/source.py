"""Reads the tree of an ensemble, from the best member that serves. I/O."""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zkoperator.backup.exact_export import ExactExport
from zkoperator.backup.failure import BackupError
from zkoperator.backup.members import Candidate, candidate, is_too_old, ranked
from zkoperator.backup.order import LoginFiles, Reason, Source, TlsFiles
from zkoperator.backup.tree_store import TreeStore
from zkoperator.errors import TransientError
from zkoperator.zk.admin import SocketProbe
from zkoperator.zk.hosts import Address, parse_hosts
from zkoperator.zk.port import ClientTls, Credential, Zk
from zkoperator.zk.session import SessionSettings, connect
from zkoperator.zk.zxid import incarnation_of

logger = logging.getLogger(__name__)

_TRIES: Final = 3
_SETTINGS: Final = SessionSettings(
    session_timeout_s=30.0, request_timeout_s=60.0, connect_timeout_s=5.0, reply_limit_bytes=256 * 1024 * 1024
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What was read, and of whom."""

    zxid: int
    member: Address
    version: str


async def read_tree(source: Source, tree: TreeStore, *, former_zxid: int | None) -> Taken:
    """Fill the store with the tree as it was at one zxid.

    `former_zxid` is that of the backup whose ACLs the store remembers.

    Raises:
        BackupError: no member serves, or the tree cannot be read whole.
        ZkOperatorError: what the ensemble answered.
    """
    tls, credential = _tls(source.tls), _credential(source.login)
    for attempt in range(1, _TRIES + 1):
        found = await _best(parse_hosts(source.hosts), tls)
        session = connect([str(found.address)], credential=credential, tls=tls, settings=_SETTINGS)
        try:
            zxid = await _export(session, source.root, tree, former_zxid)
            _check_acls(tree)
            return Taken(zxid, found.address, found.version)
        except TransientError as error:
            if attempt == _TRIES:
                raise
            logger.warning("reading %s failed, trying again: %s", found.address, error)
            tree.clear()
        finally:
            await session.close()
    raise AssertionError("unreachable")


async def _export(zk: Zk, root: str, tree: TreeStore, former_zxid: int | None) -> int:
    await zk.sync("/")
    if former_zxid is not None and not is_of_one_history(former_zxid, zk.last_zxid):
        tree.forget_acls()
    return await ExactExport(zk, tree, root=root).run()


def is_of_one_history(former_zxid: int, zxid: int) -> bool:
    """Return whether a tree at the first zxid became the tree at the second one.

    After a restore an ensemble goes on in another history, in which the same numbers stand for other things. The
    operator raises the epoch at each restore so far that the incarnations of the two histories differ.
    """
    return former_zxid <= zxid and incarnation_of(former_zxid) == incarnation_of(zxid)


async def _best(addresses: tuple[Address, ...], tls: ClientTls | None) -> Candidate:
    probe = SocketProbe()
    asked = (probe.ask(address.host, address.port, "srvr", tls) for address in addresses)
    answers = await asyncio.gather(*asked, return_exceptions=True)
    problems: list[str] = []
    found: list[Candidate] = []
    for address, answer in zip(addresses, answers, strict=True):
        if isinstance(answer, str):
            known = candidate(address, answer)
            found += [known] if known is not None else []
        elif isinstance(answer, TransientError):
            problems.append(str(answer))
        else:
            raise answer
    return _first(found, problems, len(addresses))


def _first(found: list[Candidate], problems: list[str], count: int) -> Candidate:
    """Return the best candidate.

    Raises:
        BackupError: there is none.
    """
    usable = [known for known in ranked(found) if not is_too_old(known.version)]
    if usable:
        return usable[0]
    if found:
        raise BackupError(
            Reason.INVALID, f"ZooKeeper {found[0].version} is too old; 3.6 is the oldest that can be read"
        )
    if len(problems) == count:
        raise BackupError(Reason.UNREACHABLE, f"no member answered: {'; '.join(problems)}")
    silent = f"; without an answer: {'; '.join(problems)}" if problems else ""
    raise BackupError(Reason.NO_SYNCED_MEMBER, f"no member serves in a quorum{silent}")


def _check_acls(tree: TreeStore) -> None:
    """Check that the ACLs are whole: who may not administer a znode sees `x` in place of a digest's hash."""
    if any(entry.scheme == "digest" and entry.id.endswith(":x") for acl in tree.acls() for entry in acl):
        message = "the credential sees the ACLs of some znodes without their hashes; give that of the superuser"
        raise BackupError(Reason.ACCESS_DENIED, message)


def _tls(files: TlsFiles | None) -> ClientTls | None:
    if files is None:
        return None
    identity = _text(files.identity) if files.identity is not None else ""
    names = tuple((known.host, known.name) for known in files.names)
    return ClientTls(_text(files.authorities), identity, names)


def _credential(files: LoginFiles | None) -> Credential | None:
    return Credential(_text(files.username).strip(), _text(files.password).strip()) if files is not None else None


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeError) as error:
        raise BackupError(Reason.INVALID, f"{path} cannot be read: {type(error).__name__}") from error
