"""Why the ConfigSync may not write a ConfigMap or Secret, or push to a subtree, and who can change that. Pure."""

from typing import Final

from zkoperator.api.reasons import SyncReason
from zkoperator.controller.conditions import clip
from zkoperator.mirror.model.config_map import Content
from zkoperator.mirror.model.merge_base import Base
from zkoperator.mirror.model.names import BASE_ANNOTATION, SYNC_LABEL
from zkoperator.mirror.model.roots import roots_of
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.zk.snapshot import Snapshot

Refusal = tuple[SyncReason, str]
"""The reason of Ready, and its message, which names the way out."""

_NAME_FIELD: Final = {False: "spec.configMap.name", True: "spec.secret.name"}
_ROOTS_LIMIT: Final = 200
"""Characters of the paths of several roots, so that there is room for the command."""

STUCK: Final = (
    SyncReason.TARGET_OWNED,
    SyncReason.TARGET_NOT_ADOPTED,
    SyncReason.SOURCE_CLAIMED,
    SyncReason.SOURCE_MISSING,
    SyncReason.FORBIDDEN,
)
"""Reasons whose end no event announces, so that a timer has to look again."""


def refusal_of(sync: ValidatedSync, observed: Observed) -> Refusal | None:
    """Return why nothing may be written on either side, None when both may be written."""
    if observed.content is not None and (refused := _refused_target(sync, observed, observed.content)) is not None:
        return refused
    if observed.claimed_by:
        message = (
            f"ConfigSync {observed.claimed_by} pushes to an overlapping subtree, and spec.keys does not divide one "
            "among those that push; let one of them only pull (spec.direction: ZooKeeperToConfigMap), or give "
            "each a path of its own"
        )
        return SyncReason.SOURCE_CLAIMED, message
    return None


def _refused_target(sync: ValidatedSync, observed: Observed, content: Content) -> Refusal | None:
    if content.controller is not None:
        return SyncReason.TARGET_OWNED, f"{sync.target} is controlled by {content.controller}"
    if content.label is None:
        message = f"the {sync.target.kind} exists and does not say that it may be written; to hand it over: "
        return SyncReason.TARGET_NOT_ADOPTED, message + _label_command(sync)
    if content.label != sync.name:
        return SyncReason.TARGET_OWNED, _owned_message(sync, content.label, observed.owner_is_gone)
    if content.immutable and sync.rules.pulls:
        message = f"{sync.target} is immutable; delete it, and it is created again"
        return SyncReason.TARGET_OWNED, message
    if sync.rules.pulls and observed.base is not None and _is_of_another_tree(sync, observed.base, observed.snapshot):
        return SyncReason.TARGET_NOT_ADOPTED, _other_tree_message(sync, observed.base)
    if content.misfit:
        return SyncReason.TARGET_INVALID, f"{sync.target} {content.misfit}"
    return (SyncReason.TARGET_INVALID, _flaw_message(sync, content)) if content.flaw else None


def _label_command(sync: ValidatedSync) -> str:
    return f"kubectl label {sync.target.kind.lower()} -n {sync.namespace} {sync.target.name} {SYNC_LABEL}={sync.name}"


def _owned_message(sync: ValidatedSync, owner: str, is_gone: bool) -> str:
    message = f"{sync.target} belongs to ConfigSync {owner}, by its label"
    if not is_gone:
        return message
    return f"{message}, which does not exist or uses another; to hand it over: {_label_command(sync)} --overwrite"


def _is_of_another_tree(sync: ValidatedSync, base: Base, snapshot: Snapshot) -> bool:
    """Whether another ConfigSync filled the ConfigMap from another tree. Roots of the same czxids are the same."""
    if base.sync_uid == sync.uid or not base.path:
        return False
    present = roots_of(snapshot)
    if present.keys() == base.roots.keys() != set() and all(base.roots[path] & present[path] for path in present):
        return False
    return (base.ensemble, base.path) != (sync.source.ensemble, sync.source.path)


def _other_tree_message(sync: ValidatedSync, base: Base) -> str:
    ensemble = "" if base.ensemble == sync.source.ensemble else " of another ensemble"
    target = sync.target
    merge = f"kubectl annotate {target.kind.lower()} -n {sync.namespace} {target.name} {BASE_ANNOTATION}-"
    return (
        f"{target} holds the keys of znode {_in_one_line(base.path)}{ensemble}, from an "
        f"earlier ConfigSync; to merge them with {_in_one_line(sync.source.path)}: {merge}; "
        f"else delete the {target.kind}, or choose another {_NAME_FIELD[target.end.is_secret]}"
    )


def _flaw_message(sync: ValidatedSync, content: Content) -> str:
    named = f"key {sync.format.key} of {sync.target}" if sync.format is not None else content.name
    syntax = sync.format.type.value if sync.format is not None else ""
    message = f"{named} is no {syntax} file at {content.flaw}; nothing is written on either side until it is corrected"
    if sync.rules.pushes:
        return message
    return f"{message}, or until the key is removed, after which it is written again from the znodes"


def _in_one_line(roots: str) -> str:
    return clip(roots.replace("\n", ", "), _ROOTS_LIMIT)
