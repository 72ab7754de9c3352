"""`audit`: compare the members of an ensemble znode by znode, ACLs included. Nothing is written."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from zkoperator.api.cluster import MemberRole
from zkoperator.backup.audit import audit
from zkoperator.backup.comparison import Audit
from zkoperator.cli.view.audit_text import page, to_json
from zkoperator.cli.view.command_line import in_cluster
from zkoperator.cli.view.connection import add_connection, connect, namespace_of
from zkoperator.cli.view.live_plan import refuse_writes
from zkoperator.cli.view.objects import fetch
from zkoperator.cli.view.output import add_output, print_json, style, wants_json
from zkoperator.cli.view.usage import FINDINGS, UsageError, seconds
from zkoperator.controller.cluster_access import client_of, tls_hosts
from zkoperator.controller.trust import TrustError, TrustFinder
from zkoperator.ensemble.build.secret import password_in
from zkoperator.ensemble.model.names import SUPERUSER, Names
from zkoperator.errors import FieldError, InvalidError, TransientError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import SECRETS, ZOOKEEPER_CLUSTERS, KubeApi, Manifest
from zkoperator.zk.hosts import parse_hosts
from zkoperator.zk.port import ClientTls, Credential, Zk
from zkoperator.zk.session import SessionSettings
from zkoperator.zk.session import connect as open_session

NAME = "audit"
HELP = "compare what the members of an ensemble have, znode by znode, ACLs included; exit with 1 when they differ"

_FEWEST = 2
_SHOWN = 100


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("cluster", help="name of the ZooKeeperCluster")
    parser.add_argument(
        "--hosts", metavar="HOST:PORT,...", help="one address for each member, as through ports that are forwarded"
    )
    parser.add_argument("--limit", metavar="COUNT", type=int, default=_SHOWN, help=f"znodes to show ({_SHOWN})")
    parser.add_argument("--timeout", metavar="SECONDS", type=seconds, default=10.0, help="for each request (10)")
    add_connection(parser)
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare once."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    async with connect(arguments) as api:
        raw = await fetch(api, ZOOKEEPER_CLUSTERS, namespace_of(arguments), arguments.cluster)
        members = members_of(raw, arguments.hosts)
        credential = await _superuser(api, raw)
        tls = await trust_in(api, raw, list(members) if arguments.hosts is not None else [])
    try:
        async with _sessions(members, credential, tls, arguments.timeout) as sessions:
            found = await audit(sessions)
    except TransientError as error:
        raise TransientError(f"{error}\n{_other_ways(raw)}") from error
    _show(found, arguments)
    return FINDINGS if found.differences else 0


def _show(found: Audit, arguments: argparse.Namespace) -> None:
    if wants_json(arguments):
        print_json(to_json(found))
    else:
        print(page(found, style(), arguments.limit))


def members_of(raw: Manifest, hosts: str | None) -> dict[str, str]:
    """Return the address of each member, by its pod or, where `--hosts` is given, by the address itself.

    Observers that serve are among them; one that does not has nothing that anybody could read.

    Raises:
        InvalidError: fewer than two members are known.
        UsageError: fewer than two addresses are given.
    """
    if hosts is not None:
        given = [host for host in hosts.split(",") if host]
        if len(given) < _FEWEST:
            raise UsageError((FieldError("--hosts", "name one address for each of at least two members"),))
        return {host: host for host in given}
    known = tls_hosts(raw) or str((raw.get("status") or {}).get("hosts") or "")
    listed = [host for host in known.split(",") if host]
    if len(listed) < _FEWEST:
        message = f"has {len(listed)} member{'s' * (len(listed) != 1)} that could be compared; two are the fewest"
        raise InvalidError((FieldError(str(raw["metadata"]["name"]), message),))
    _, _, elsewhere = listed[0].partition(".")
    observers = (f"{name}.{elsewhere}" for name in _observers(raw))
    return {host.partition(".")[0]: host for host in (*listed, *observers)}


def _observers(raw: Manifest) -> tuple[str, ...]:
    """Return the names of the observers that serve."""
    members = (raw.get("status") or {}).get("members") or ()
    return tuple(str(member["name"]) for member in members if member.get("role") == MemberRole.OBSERVER.value)


async def _superuser(api: KubeClient, raw: Manifest) -> Credential:
    """Read the superuser's password with the rights of whoever calls: others may not read every ACL."""
    names = Names(raw["metadata"]["namespace"], raw["metadata"]["name"])
    secret = await api.get(SECRETS, names.namespace, names.secret)
    password = password_in(secret) if secret is not None else None
    if password is None:
        raise InvalidError((FieldError(names.secret, "there is no such Secret with a superuser's password"),))
    return Credential(SUPERUSER, password)


async def trust_in(api: KubeApi, raw: Manifest, forwarded: Sequence[str]) -> ClientTls | None:
    """Return the trust in the members, None if they are asked in plaintext.

    Forwarded ports are plaintext ports while plaintext is open. A member's certificate also has the name of the client
    Service, and a member at a forwarded port is verified by that name.

    Raises:
        InvalidError: the authorities, or the certificate that members ask for, cannot be read.
    """
    if forwarded and client_of(raw).get("plaintext") != "Refused":
        return None
    try:
        found = await TrustFinder(api).of_cluster(raw)
    except TrustError as error:
        raise InvalidError((FieldError(str(raw["metadata"]["name"]), str(error)),)) from error
    names = Names(raw["metadata"]["namespace"], raw["metadata"]["name"])
    service = f"{names.client_service}.{names.namespace}"
    known = tuple((address.host, service) for address in parse_hosts(forwarded)) if forwarded else ()
    return replace(found, names=known) if found is not None else None


@asynccontextmanager
async def _sessions(
    members: Mapping[str, str], credential: Credential, tls: ClientTls | None, timeout_s: float
) -> AsyncIterator[dict[str, Zk]]:
    settings = SessionSettings(request_timeout_s=timeout_s, before_write=refuse_writes)
    async with AsyncExitStack() as stack:
        sessions: dict[str, Zk] = {}
        for name, host in members.items():
            session = open_session([host], credential=credential, tls=tls, settings=settings)
            stack.push_async_callback(session.close)
            sessions[name] = session
        yield sessions


def _other_ways(raw: Manifest) -> str:
    meta = raw["metadata"]
    operator = (raw.get("status") or {}).get("operator")
    command = in_cluster(NAME, meta["name"], meta["namespace"], operator=operator)
    return (
        f"every member has to be reached: run it in the cluster ({command}), or forward a port to each and use --hosts"
    )
