"""The names that ConfigSync puts on objects and znodes. They are public: nothing here may change. Pure."""

import hashlib
from typing import Final

SYNC_LABEL: Final = "zkoperator.dev/sync"
"""On a ConfigMap: the name of the ConfigSync that may write it."""
ZXID_ANNOTATION: Final = "zkoperator.dev/zxid"
"""On a ConfigMap: the state of the subtree that its data is, as `0x` and hexadecimal digits."""
BASE_ANNOTATION: Final = "zkoperator.dev/base"
"""On a ConfigMap: the common base of both sides, written in the same request as the data."""
INPUTS_ANNOTATION: Final = "zkoperator.dev/inputs"
"""On a ConfigMap with rendered files: the znodes that they were made from, written in the same request as the files."""
RESOLVE_ANNOTATION: Final = "zkoperator.dev/resolve"
"""On a ConfigSync: `<key>=zookeeper,<key>=configmap` settles conflicts."""
APPROVE_ANNOTATION: Final = "zkoperator.dev/approve-deletions"
"""On a ConfigSync: the `status.pending.hash` of a plan that may run."""
FINALIZER: Final = "zkoperator.dev/configsync"
"""On a ConfigSync, only while its `onDelete` asks for anything to be deleted."""

OWN_ROOT: Final = "/zkoperator"
"""The only znode outside of the synchronised subtrees that is ever written."""
LEDGERS: Final = f"{OWN_ROOT}/configsyncs"
CLAIMS: Final = f"{OWN_ROOT}/claims"
RESERVED_ROOTS: Final = ("/zookeeper", OWN_ROOT)
"""Subtrees that no ConfigSync sees or writes."""
RESERVED_NAMES: Final = frozenset(root[1:] for root in RESERVED_ROOTS)
"""Their names below /."""

_ROLLOUT_PREFIX: Final = "rollout.zkoperator.dev/"
_MAX_ANNOTATION_NAME: Final = 63


def ledger_path(uid: str) -> str:
    """Return the ledger znode of the ConfigSync with this uid."""
    return f"{LEDGERS}/{uid}"


def claim_path(root: str) -> str:
    """Return the znode that says who pushes to the subtree at `root`."""
    return CLAIMS if root == "/" else CLAIMS + root


def rollout_annotation(sync: str) -> str:
    """Return the annotation of a pod template that holds the hash of the content its pods were started with."""
    if len(sync) <= _MAX_ANNOTATION_NAME:
        return _ROLLOUT_PREFIX + sync
    mark = hashlib.sha256(sync.encode()).hexdigest()[:10]
    return f"{_ROLLOUT_PREFIX}{sync[: _MAX_ANNOTATION_NAME - 11]}-{mark}"


def is_reserved(path: str) -> bool:
    """Whether an absolute path is ZooKeeper's own or the operator's own."""
    return any(path == root or path.startswith(root + "/") for root in RESERVED_ROOTS)


def zxid_text(zxid: int) -> str:
    """Return a zxid as status and annotations show it."""
    return f"{zxid:#x}"


def zxid_of(text: str) -> int:
    """Return the zxid that a status shows, 0 when it shows none."""
    try:
        return int(text, 16)
    except ValueError:
        return 0
