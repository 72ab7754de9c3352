"""Files that are rendered from a snapshot: what goes into them, and how the planner sees what came out. Pure.

To the merge a rendered file is a key like any other, whose znode has the rendering as its value. What the files were
made from, the *inputs*, are remembered beside the base, so that a deletion of znodes is noticed as one although it only
changes a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Final

from zkoperator.mirror.model.merge_base import Base, encode_base, short
from zkoperator.mirror.model.naming import PLAIN
from zkoperator.mirror.model.selected_znodes import SelectedZnodes, is_empty_parent, is_session_owned
from zkoperator.mirror.model.selection import Selection
from zkoperator.zk.snapshot import Digest, Snapshot, Znode

FILES_ROOT: Final = "/files"
"""Stands for the root of the files: their names are those of no znodes."""


@dataclass(frozen=True, slots=True)
class FileTemplates:
    """The templates of a spec, by file, and which znodes they see."""

    files: Mapping[str, str]
    selection: Selection
    ephemerals: bool
    digest: bytes = field(default=b"")

    def inputs(self, snapshot: Snapshot) -> dict[str, Znode]:
        """Return the znodes that the templates see, by path: those that would be keys without templates."""
        return {
            path: znode
            for path, znode in snapshot.nodes.items()
            if self.selection.takes(path)
            and (self.ephemerals or not is_session_owned(znode))
            and not is_empty_parent(self.selection.naming.relative(path), znode)
        }

    def hides(self, snapshot: Snapshot) -> list[str]:
        """Return the paths that may not be read, and at or below which the templates might see something."""
        return [path for path in sorted(snapshot.unreadable) if self.selection.may_reach(path)]


def file_templates(files: Mapping[str, str], selection: Selection, *, ephemerals: bool) -> FileTemplates:
    """Return the templates, with a digest by which other ones are known."""
    digest = blake2b(digest_size=16)
    for name, text in sorted(files.items()):
        digest.update(f"{name}\0{len(text)}\0{text}\0".encode())
    return FileTemplates(files, selection, ephemerals, digest.digest())


def selection_of_files(files: Mapping[str, str]) -> Selection:
    """Return the selection of the keys that are files of the template; all other keys are somebody else's."""
    return Selection(FILES_ROOT, tuple(_path_of(name) for name in sorted(files)))


def fingerprint(templates: FileTemplates, inputs: Mapping[str, Znode]) -> bytes:
    """Return what tells one rendering from another: the templates, and the paths and values of the inputs."""
    digest = blake2b(templates.digest, digest_size=16)
    for path in sorted(inputs):
        digest.update(path.encode() + b"\0" + inputs[path].digest)
    return digest.digest()


@dataclass(frozen=True, slots=True)
class Rendering:
    """What was rendered from a snapshot.

    Args:
        snapshot: the state that the files are made from.
        inputs: the znodes that the templates saw.
        files: name -> content.
    """

    snapshot: Snapshot
    inputs: Mapping[str, Znode]
    files: Mapping[str, bytes]

    def selected(self, digest: Digest) -> SelectedZnodes:
        """Return the files as the planner sees znodes, with digests of their contents.

        Nothing of the subtree is a file, so none of it is unknown.
        """
        newest = max((znode.mzxid for znode in self.inputs.values()), default=0)
        return SelectedZnodes(
            replace(self.snapshot, unreadable=frozenset()),
            {name: _znode_of(data, newest, digest) for name, data in self.files.items()},
            dict.fromkeys(self.files, ""),
        )

    def inputs_text(self, sync_uid: str, seal: str) -> str:
        """Return what is remembered of the inputs beside the base, as the text of an annotation. `seal`: its id."""
        return encode_base(
            Base(
                sync_uid,
                self.snapshot.zxid,
                digests={path: short(znode.digest) for path, znode in self.inputs.items()},
                ephemeral=frozenset(path for path, znode in self.inputs.items() if is_session_owned(znode)),
                seal=seal,
            )
        )


def _znode_of(data: bytes, mzxid: int, digest: Digest) -> Znode:
    return Znode(digest(data), data, mzxid, mzxid, mzxid, 0, 0, 0, len(data))


def _path_of(name: str) -> str:
    path = PLAIN.path_of(name)
    return path if isinstance(path, str) else name
