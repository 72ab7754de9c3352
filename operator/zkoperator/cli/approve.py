"""`approve`: let a plan with many deletions run that waits for approval."""

import argparse
import asyncio

from zkoperator.api.sync import Pending
from zkoperator.cli.connection import add_connection, connect, namespace_of
from zkoperator.cli.glance import SyncGlance, sync_glance
from zkoperator.cli.objects import annotate, fetch
from zkoperator.cli.output import add_output, print_json, wants_json
from zkoperator.cli.views import pending_text
from zkoperator.errors import FieldError, InvalidError
from zkoperator.kube.port import CONFIG_SYNCS
from zkoperator.mirror.names import APPROVE_ANNOTATION

NAME = "approve"
HELP = "let the deletions of a ConfigSync run that wait for approval"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("sync", help="name of the ConfigSync")
    parser.add_argument("--plan", metavar="HASH", help="approve only if this is still the plan (see `status NAME`)")
    parser.add_argument("--show", action="store_true", help="say what waits and change nothing")
    add_connection(parser)
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Annotate the ConfigSync with the plan's hash; a plan that changes meanwhile is not approved by it."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    async with connect(arguments) as api:
        raw = await fetch(api, CONFIG_SYNCS, namespace_of(arguments), arguments.sync)
        pending = waiting_plan(sync_glance(raw), arguments.plan)
        if not arguments.show:
            await annotate(api, CONFIG_SYNCS, raw, APPROVE_ANNOTATION, pending.hash)
    if wants_json(arguments):
        print_json({"sync": arguments.sync, "approved": not arguments.show, **pending.manifest()})
    else:
        print(f"{'' if arguments.show else 'approved, '}{pending_text(pending)}")
    return 0


def waiting_plan(glance: SyncGlance, expected: str | None) -> Pending:
    """Return the plan that waits.

    Raises:
        InvalidError: when none does, or another one than expected.
    """
    pending = glance.pending
    if pending is None or not pending.hash:
        raise InvalidError((FieldError(glance.name, "no plan waits for approval"),))
    if expected is not None and expected != pending.hash:
        raise InvalidError((FieldError("--plan", f"the plan that waits is {pending.hash} now; look at it again"),))
    return pending
