"""Why nothing can be concluded from what a pass has read: a source is missing, or a part of it is hidden. Pure."""

from zkoperator.api.reasons import SyncReason
from zkoperator.mirror.model.names import SYNC_LABEL
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.plan.inputs import hidden_part
from zkoperator.mirror.plan.refusal import Refusal
from zkoperator.mirror.validate import ValidatedSync


def missing_source(sync: ValidatedSync, observed: Observed) -> Refusal | None:
    """The operator does not create a target that is the source: it does not know the content."""
    if observed.content is not None or sync.rules.pulls:
        return None
    label = f"{SYNC_LABEL}={sync.name}"
    message = (
        f"{sync.target} does not exist, and is the source; nothing is deleted or written until somebody creates it, "
        f"with the label {label}"
    )
    return SyncReason.SOURCE_MISSING, message


def unknown_part(sync: ValidatedSync, observed: Observed) -> Refusal | None:
    """Of several subtrees, a znode that may not be read could have any key: nothing is known to win over it.

    Files that are rendered could have anything of it.
    """
    if sync.template is not None:
        return hidden_part(sync, observed)
    if not sync.source.parts:
        return None
    hidden = [path for path in sorted(observed.snapshot.unreadable) if sync.selection.may_reach(path)]
    if not hidden:
        return None
    message = (
        f"the ensemble refuses to show znode /{hidden[0]}, which could have a key that wins over another source; "
        "nothing is written until its ACL admits spec.zookeeper.credentialsSecret, spec.keys.exclude names it and "
        "all below it, or it is in none of spec.zookeeper.sources"
    )
    return SyncReason.FORBIDDEN, message
