"""The guards of rendered files. They look at the znodes that the files were made from, not at the files. Pure.

The deletion of fifty znodes changes a file, and deletes none. So what was rendered last is compared with what would be
rendered now, and what has gone counts as it would count without a template.
"""

from collections.abc import Sequence
from typing import Final

from zkoperator.api.reasons import SyncReason
from zkoperator.mirror.model.decision import Action, Decision
from zkoperator.mirror.model.merge_base import Base, decode_base
from zkoperator.mirror.model.selected_znodes import SelectedZnodes, select_znodes
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.plan.guard import History, is_reverted, must_hold
from zkoperator.mirror.plan.refusal import Refusal
from zkoperator.mirror.validate import ValidatedSync

_NOTHING: Final[tuple[Decision, ...]] = ()


def selected_of(sync: ValidatedSync, observed: Observed) -> SelectedZnodes:
    """Return the keys of the source: selected znodes, or the files that are rendered from them."""
    if sync.template is None:
        return select_znodes(observed.snapshot, sync.selection, ephemerals=sync.ephemerals)
    if observed.rendering is None:
        return SelectedZnodes(observed.snapshot, {}, {})
    return observed.rendering.selected(observed.seal.digest)


def inputs_before(sync: ValidatedSync, observed: Observed) -> Base | None:
    """Return the inputs of the files that the ConfigMap has, None where they are not known."""
    if sync.template is None or observed.content is None or not observed.content.inputs_text:
        return None
    known = decode_base(observed.content.inputs_text)
    return known if known is not None and known.sync_uid == sync.uid else None


def gone_inputs(sync: ValidatedSync, observed: Observed) -> tuple[Decision, ...]:
    """Return the deletions of znodes that the next rendering would follow, as decisions.

    A znode that is not selected any more, that has become a mere parent, or that has gone with its session was deleted
    by nobody.
    """
    before, rendering = inputs_before(sync, observed), observed.rendering
    if sync.template is None or before is None or rendering is None:
        return _NOTHING
    takes, present = sync.template.selection.takes, rendering.snapshot.nodes
    return tuple(
        Decision(path, path, Action.TO_CONFIG_MAP, None, digest)
        for path, digest in sorted(before.digests.items())
        if path not in present and takes(path) and path not in before.ephemeral
    )


def must_hold_rendering(gone: Sequence[Decision], sync: ValidatedSync, observed: Observed, history: History) -> bool:
    """Whether the rendering waits for approval: see the deletion guard of keys, which this is for znodes."""
    before, rendering = inputs_before(sync, observed), observed.rendering
    if not gone or before is None or rendering is None:
        return False
    if history in (History.ROOT_REPLACED, History.REGRESSED) or not rendering.inputs:
        return True
    counted = observed.deleted_lately - rendering.inputs.keys() - {item.counted for item in gone}
    keys = max(len(before.digests.keys() - before.ephemeral), len(rendering.inputs)) + len(counted)
    return must_hold(len(gone) + len(counted), keys, sync.limits)


def is_older_tree(sync: ValidatedSync, observed: Observed) -> bool:
    """Whether an input has a value, or is absent, as it was before what was rendered last: a restored backup.

    Digests that were made with another key tell nothing about values.
    """
    before, rendering = inputs_before(sync, observed), observed.rendering
    if before is None or rendering is None or sync.template is None or before.seal != observed.seal.id:
        return False
    takes = sync.template.selection.takes
    items = (
        Decision(path, path, Action.TO_CONFIG_MAP, None, digest)
        for path, digest in before.digests.items()
        if takes(path) and path not in before.ephemeral
    )
    return any(is_reverted(item, before, None, rendering.snapshot) for item in items)


def hidden_part(sync: ValidatedSync, observed: Observed) -> Refusal | None:
    """Return why nothing is rendered: a znode that may not be read could have what a template asks for."""
    hidden = sync.template.hides(observed.snapshot) if sync.template is not None else []
    if not hidden:
        return None
    message = (
        f"the ensemble refuses to show znode /{hidden[0]}, which a template could ask for; nothing is rendered until "
        "its ACL admits spec.zookeeper.credentialsSecret, or spec.keys.exclude names it and all below it (name/**)"
    )
    return SyncReason.FORBIDDEN, message
