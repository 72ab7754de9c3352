"""`resolve`: settle conflicts of a ConfigSync, key by key, for one side."""

import argparse
import asyncio
from collections.abc import Collection, Mapping, Sequence

from zkoperator.cli.view.connection import add_connection, connect, namespace_of
from zkoperator.cli.view.objects import annotate, annotation, fetch
from zkoperator.cli.view.output import add_output, print_json, wants_json
from zkoperator.cli.view.summary import SyncSummary, sync_summary
from zkoperator.cli.view.usage import UsageError
from zkoperator.cli.view.waiting import Progress, add_wait, wait_for
from zkoperator.errors import FieldError, InvalidError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import CONFIG_SYNCS, Manifest
from zkoperator.mirror.model.names import RESOLVE_ANNOTATION

NAME = "resolve"
HELP = "settle conflicts of a ConfigSync: KEY=zookeeper keeps the znode's value, KEY=configmap the ConfigMap's"

_LIMIT_S = 60
SIDES = ("zookeeper", "configmap")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("sync", help="name of the ConfigSync")
    parser.add_argument("choice", nargs="+", metavar="KEY=SIDE", help="SIDE is zookeeper or configmap")
    add_wait(parser, "the choices were carried out", _LIMIT_S)
    add_connection(parser)
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Annotate the ConfigSync; the operator does the rest."""
    choices = parse_choices(arguments.choice)
    return asyncio.run(_run(arguments, choices))


async def _run(arguments: argparse.Namespace, choices: Mapping[str, str]) -> int:
    async with connect(arguments) as api:
        raw = await fetch(api, CONFIG_SYNCS, namespace_of(arguments), arguments.sync)
        summary = sync_summary(raw)
        check_conflicts(choices, summary)
        value = merged(annotation(raw, RESOLVE_ANNOTATION), choices, {c.key for c in summary.conflicts})
        await annotate(api, CONFIG_SYNCS, raw, RESOLVE_ANNOTATION, value)
        if arguments.wait:
            await wait_for(lambda: _look(api, raw, choices), arguments.wait_timeout)
    if wants_json(arguments):
        print_json({"sync": arguments.sync, "resolve": dict(choices), "done": arguments.wait})
    else:
        for key, side in choices.items():
            asked = "has the value of" if arguments.wait else "the operator was asked to keep the value of"
            print(f"{key}: {asked} the {_shown(side, summary)}")
    return 0


def _shown(side: str, summary: SyncSummary) -> str:
    """Return the side as people call it."""
    if side == "zookeeper":
        return "znode"
    return "Secret" if summary.secret else "ConfigMap"


async def _look(api: KubeClient, raw: Manifest, choices: Collection[str]) -> Progress:
    now = await fetch(api, CONFIG_SYNCS, raw["metadata"]["namespace"], raw["metadata"]["name"])
    return settled(now, choices)


def settled(raw: Manifest, keys: Collection[str]) -> Progress:
    """Return whether the operator has taken the choices of these keys from the annotation."""
    asked = {entry.strip().rpartition("=")[0] for entry in annotation(raw, RESOLVE_ANNOTATION).split(",")}
    waiting = sorted(asked & set(keys))
    summary = sync_summary(raw)
    return Progress(not waiting, f"not carried out yet: {', '.join(waiting)}; {summary.reason}: {summary.message}")


def parse_choices(words: Sequence[str]) -> dict[str, str]:
    """Return key -> side.

    Raises:
        UsageError: with every word that is not a choice.
    """
    choices: dict[str, str] = {}
    errors: list[FieldError] = []
    for word in words:
        key, _, side = word.rpartition("=")
        if not key or side.lower() not in SIDES:
            errors.append(FieldError(word, "write KEY=zookeeper or KEY=configmap"))
        elif choices.setdefault(key, side.lower()) != side.lower():
            errors.append(FieldError(key, "choose one side"))
    if errors:
        raise UsageError(tuple(errors))
    return choices


def check_conflicts(choices: Mapping[str, str], summary: SyncSummary) -> None:
    """Refuse keys that are not in conflict, as far as all conflicts are listed."""
    if summary.conflict_count > len(summary.conflicts):
        return
    known = sorted(conflict.key for conflict in summary.conflicts)
    listed = f"in conflict are: {', '.join(known)}" if known else "there is no conflict"
    errors = tuple(FieldError(key, f"is not in conflict; {listed}") for key in choices if key not in known)
    if errors:
        raise InvalidError(errors)


def merged(before: str, choices: Mapping[str, str], in_conflict: Collection[str]) -> str:
    """Return the annotation: former choices that are still open, and the new ones."""
    former = dict(entry.strip().rpartition("=")[::2] for entry in before.split(",") if "=" in entry)
    kept = {key: side for key, side in former.items() if key in in_conflict}
    return ",".join(f"{key}={side}" for key, side in sorted({**kept, **choices}.items()))
