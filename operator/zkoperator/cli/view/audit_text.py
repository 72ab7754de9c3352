"""The text of `audit`. Pure."""

from typing import Any

from zkoperator.backup.comparison import Aspect, Audit, Difference
from zkoperator.cli.view.terminal import Style, printable, table

_MEANINGS = {
    Aspect.ABSENT: "is not on all",
    Aspect.DATA: "value differs",
    Aspect.ACL: "ACL differs",
    Aspect.STAT: "versions or times differ",
}
_ADVICE = (
    "Which group is right cannot be told from here: a damaged leader makes the sound members look wrong. "
    "Save a copy of one volume of each group before anything is deleted or restarted."
)


def page(found: Audit, style: Style, limit: int) -> str:
    """Return what the members have, the differences, and what to do before anything else."""
    rows = [(name, f"0x{zxid:x}", str(found.znodes[name])) for name, zxid in found.zxids.items()]
    parts = [table(("MEMBER", "ZXID", "ZNODES"), rows, style.width), ""]
    if found.differences:
        shown = [_row(item) for item in found.differences[:limit]]
        parts += [table(("PATH", "DIFFERENCE", "GROUPS"), shown, style.width), "", summary(found, limit), _ADVICE]
    else:
        parts.append(summary(found, limit))
    return "\n".join(parts)


def _row(item: Difference) -> tuple[str, str, str]:
    groups = " | ".join(", ".join(group) for group in item.groups)
    return printable(item.path), _MEANINGS[item.aspect], groups


def summary(found: Audit, limit: int) -> str:
    """Return the result in one or two sentences."""
    count = len(found.differences)
    at_least = "" if found.is_complete else "at least "
    text = f"{at_least}{count} znodes differ" if count != 1 else "1 znode differs"
    if not count:
        text = "all members have the same znodes, values and ACLs"
    if count > limit:
        text += f", {limit} are shown"
    if found.unsettled:
        text += f"; {found.unsettled} were changed too often to be compared: run it again"
    return text


def to_json(found: Audit) -> dict[str, Any]:
    """Return everything for a program."""
    return {
        "members": [
            {"name": name, "zxid": f"0x{zxid:x}", "znodes": found.znodes[name]} for name, zxid in found.zxids.items()
        ],
        "differences": [
            {"path": item.path, "difference": item.aspect.value, "groups": [list(group) for group in item.groups]}
            for item in found.differences
        ],
        "unsettled": found.unsettled,
        "complete": found.is_complete,
    }
