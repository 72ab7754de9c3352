"""What `diff` shows of a ConfigSync: which key would be written where, by hashes, never by values. Pure."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from pydantic.alias_generators import to_camel

from zkoperator.cli.terminal import Colour, Style, printable, table
from zkoperator.mirror.decisions import Decision
from zkoperator.mirror.merge import Action
from zkoperator.mirror.names import zxid_text
from zkoperator.mirror.plan import Plan

_SHORT_HASH = 12
"""Hexadecimal digits, as in `status.conflicts`."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One key. The hashes are empty where the key is absent."""

    key: str
    path: str
    action: str
    zookeeper: str
    config_map: str

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {to_camel(key): value for key, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Differences:
    """All of a ConfigSync. `stopped` says why nothing would be written at all."""

    zxid: str
    equal: int
    differences: tuple[Difference, ...]
    problems: tuple[str, ...]
    held: str
    stopped: str

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        whole = {to_camel(key): value for key, value in asdict(self).items()}
        return {**whole, "differences": [item.to_json() for item in self.differences], "problems": list(self.problems)}


def differences(plan: Plan) -> Differences:
    """Return what the plan of an active pass would do."""
    found = [
        *(_difference(item, _verb(item)) for item in plan.carried if item.action in _ARROWS),
        *(_difference(item, "conflict") for item in (*plan.conflicts, *plan.flapping)),
    ]
    pending = plan.pending
    return Differences(
        zxid=zxid_text(plan.zxid),
        equal=plan.keys - sum(item.action in _ARROWS and not item.is_deletion for item in plan.carried),
        differences=tuple(sorted(found, key=lambda item: item.key)),
        problems=tuple(f"{problem.name}: {problem.message}" for problem in plan.problems),
        held=f"{pending.deletes} deletions wait for approval (plan {pending.hash})" if pending is not None else "",
        stopped=f"{plan.stop}: {plan.message}" if plan.stop is not None else "",
    )


def text(shown: Differences, style: Style) -> str:
    """Return it for people."""
    parts = [f"{shown.equal} keys are equal at zxid {shown.zxid}"]
    if shown.differences:
        parts.append(_rows(shown.differences, style))
    parts += [style.paint(line, Colour.BAD) for line in (*map(printable, shown.problems), shown.held) if line]
    if shown.stopped:
        parts.append(style.paint(f"nothing would be written: {printable(shown.stopped)}", Colour.WAITING))
    elif not shown.differences:
        parts.append("nothing would be written")
    return "\n".join(parts)


_ARROWS = {Action.TO_CONFIG_MAP: "-->", Action.TO_ZOOKEEPER: "<--"}


def _rows(items: Iterable[Difference], style: Style) -> str:
    rows = [
        (
            printable(item.key),
            printable(item.path),
            item.zookeeper or "(absent)",
            item.config_map or "(absent)",
            style.paint(item.action, Colour.BAD if item.action == "conflict" else None),
        )
        for item in items
    ]
    return table(("KEY", "ZNODE", "ZOOKEEPER", "CONFIGMAP", "WHAT WOULD BE DONE"), rows)


def _verb(item: Decision) -> str:
    if item.action is Action.TO_CONFIG_MAP:
        return f"{_change(item.zookeeper, item.config_map)} in the ConfigMap"
    return f"{_change(item.config_map, item.zookeeper)} in ZooKeeper"


def _change(source: bytes | None, target: bytes | None) -> str:
    if source is None:
        return "delete"
    return "create" if target is None else "change"


def _difference(item: Decision, action: str) -> Difference:
    return Difference(item.key, item.path, action, _hash(item.zookeeper), _hash(item.config_map))


def _hash(digest: bytes | None) -> str:
    return digest.hex()[:_SHORT_HASH] if digest is not None else ""
