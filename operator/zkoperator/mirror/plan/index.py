"""The index of short keys: a value of the ConfigMap that says which znode each of them stands for. Pure."""

from collections.abc import Collection

from zkoperator.mirror.model.merge_base import Base
from zkoperator.mirror.model.naming import INDEX_KEY, is_short
from zkoperator.mirror.model.selected_znodes import SelectedZnodes
from zkoperator.mirror.observe.observed import Observed
from zkoperator.zk.paths import join


def index_change(
    observed: Observed,
    selected: SelectedZnodes,
    puts: Collection[str],
    removes: Collection[str],
    before: Base | None,
    base: Base,
) -> dict[str, bytes | None]:
    """Return the key of the index with its new value (None: it goes), nothing when it is right as it is.

    It lists what the ConfigMap holds after the write. Without short keys it goes, if the base had any.
    """
    present = observed.content.keys if observed.content is not None else {}
    short = sorted(key for key in {*present, *puts} - set(removes) if is_short(key))
    paths = {key: path for key in short if (path := selected.paths.get(key, base.paths.get(key))) is not None}
    held = present.get(INDEX_KEY)
    if not paths:
        was_ours = before is not None and any(map(is_short, before.paths))
        return {INDEX_KEY: None} if held is not None and was_ours else {}
    text = "".join(_line(key, path, selected.snapshot.root) for key, path in paths.items()).encode()
    return {} if held is not None and held.digest == observed.seal.digest(text) else {INDEX_KEY: text}


def index_bytes(key: str, selected: SelectedZnodes) -> int:
    """Return the bytes of the key's line."""
    return len(_line(key, selected.paths[key], selected.snapshot.root).encode())


def _line(key: str, path: str, root: str) -> str:
    return f"{key} {join(root, path)}\n"
