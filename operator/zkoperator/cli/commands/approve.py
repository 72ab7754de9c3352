"""`approve`: let a plan run that waits for approval, such as one with many deletions."""

import argparse
import asyncio
from typing import Any

from zkoperator.api.sync import Mode, Pending
from zkoperator.cli.view.connection import add_connection, connect, namespace_of
from zkoperator.cli.view.differences import Difference, held, rows
from zkoperator.cli.view.live_plan import add_reach_flags, make_fresh_plan
from zkoperator.cli.view.objects import annotate, annotation, fetch
from zkoperator.cli.view.output import add_output, print_json, style, wants_json
from zkoperator.cli.view.summary import SyncSummary, sync_summary
from zkoperator.cli.view.tables import counts_text, pending_text
from zkoperator.cli.view.terminal import Style
from zkoperator.cli.view.waiting import Progress, add_wait, wait_for
from zkoperator.errors import FieldError, InvalidError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import CONFIG_SYNCS, Manifest
from zkoperator.mirror.model.names import APPROVE_ANNOTATION
from zkoperator.mirror.plan.plan import Plan
from zkoperator.mirror.validate import ValidatedSync

NAME = "approve"
HELP = "let the changes of a ConfigSync run that wait for approval: many deletions, or another history of the ensemble"

_LIMIT_S = 60


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("sync", help="name of the ConfigSync")
    parser.add_argument("--plan", metavar="HASH", help="approve only if this is still the plan (see --show)")
    parser.add_argument("--show", action="store_true", help="show what waits, key by key, and change nothing")
    add_wait(parser, "the changes were carried out", _LIMIT_S)
    add_reach_flags(parser)
    add_connection(parser)
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Annotate the ConfigSync with the plan's hash; a plan that changes meanwhile is not approved by it."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    async with connect(arguments) as api:
        raw = await fetch(api, CONFIG_SYNCS, namespace_of(arguments), arguments.sync)
        pending = waiting_plan(sync_summary(raw), arguments.plan)
        waiting = await _act(api, raw, pending, arguments)
        if arguments.wait and waiting is None:
            await wait_for(lambda: _look(api, raw), arguments.wait_timeout)
    if wants_json(arguments):
        print_json(_json(arguments, pending, waiting))
    else:
        print(text(pending, waiting, style(), done=arguments.wait))
    return 0


async def _act(
    api: KubeClient, raw: Manifest, pending: Pending, arguments: argparse.Namespace
) -> tuple[Difference, ...] | None:
    """Approve, or return what waits."""
    if not arguments.show:
        await annotate(api, CONFIG_SYNCS, raw, APPROVE_ANNOTATION, pending.hash)
        return None
    sync, plan = await make_fresh_plan(api, raw, arguments)
    check_plan(sync, plan, pending)
    return held(plan, sync.target)


async def _look(api: KubeClient, raw: Manifest) -> Progress:
    return carried_out(await fetch(api, CONFIG_SYNCS, raw["metadata"]["namespace"], raw["metadata"]["name"]))


def carried_out(raw: Manifest) -> Progress:
    """Return whether the operator has taken the approval away, which it does when nothing waits any more."""
    summary = sync_summary(raw)
    return Progress(
        not annotation(raw, APPROVE_ANNOTATION), f"not carried out yet; {summary.reason}: {summary.message}"
    )


def waiting_plan(summary: SyncSummary, expected: str | None) -> Pending:
    """Return the plan that waits.

    Raises:
        InvalidError: when none does, or another one than expected.
    """
    pending = summary.pending
    if pending is None or not pending.hash:
        raise InvalidError((FieldError(summary.name, "no plan waits for approval"),))
    if expected is not None and expected != pending.hash:
        raise InvalidError((FieldError("--plan", f"the plan that waits is {pending.hash} now; look at it again"),))
    return pending


def check_plan(sync: ValidatedSync, plan: Plan, pending: Pending) -> None:
    """Refuse to show another plan than the one that an approval would let run; a dry run's is more than what waits."""
    if sync.mode is Mode.ACTIVE and (plan.pending is None or plan.pending.hash != pending.hash):
        message = f"both sides are not as they were when the operator reported plan {pending.hash}; try again"
        if sync.target.end.is_secret:
            message += ", as somebody who may read the operator's Secret with the key of its hashes (...-hash-key)"
        raise InvalidError((FieldError(sync.name, message),))


def text(pending: Pending, waiting: tuple[Difference, ...] | None, colours: Style, *, done: bool = False) -> str:
    """Return what was approved or, with what waits, what an approval would let run."""
    if waiting is None and done:
        return f"approved and carried out: {counts_text(pending)}"
    if waiting is None:
        return f"approved: {counts_text(pending)}; the operator carries this out now, see `status`"
    return f"{pending_text(pending)}\n{rows(waiting, colours) if waiting else 'none of this needs an approval'}"


def _json(arguments: argparse.Namespace, pending: Pending, waiting: tuple[Difference, ...] | None) -> dict[str, Any]:
    done = {"sync": arguments.sync, "approved": waiting is None, **pending.manifest()}
    return done if waiting is None else {**done, "differences": [item.to_json() for item in waiting]}
