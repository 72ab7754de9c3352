"""Claims on an ensemble: which ConfigSync pushes to which subtree, and which claims overlap. I/O.

The znode of a claim is below `/zkoperator/claims`, at the path of the claimed root. Two claims overlap when one root is
above the other. The write of the lower claim checks the version of the znodes above it. After the write of the upper
claim, its ConfigSync reads the claims below again. So at least one of the two notices the other. Every push checks the
version of its claim.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from zkoperator.mirror.model.names import CLAIMS, claim_path
from zkoperator.zk.paths import join
from zkoperator.zk.port import OPEN_ACL, Check, Create, Node, NoNodeError, Operation, Set, Zk


@dataclass(frozen=True, slots=True)
class Claimant:
    """The ConfigSync that a claim names.

    Args:
        cluster: identity of its Kubernetes cluster.
        ensemble: name of the ensemble in its spec when it claimed, "" in claims of earlier versions.
    """

    namespace: str
    name: str
    uid: str
    cluster: str = ""
    ensemble: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Standing(Enum):
    """Whether the ConfigSync of a claim still exists and pushes."""

    PUSHES = "it exists and pushes there, or nobody can tell"
    ELSEWHERE = "it exists, and does not push there any more"
    GONE = "it does not exist any more"


Judge = Callable[[Claimant, str], Awaitable[Standing]]
"""Returns the standing of a claimant of the subtree with this root."""


async def rival_of(zk: Zk, root: str, claimant: Claimant, judge: Judge) -> Claimant | None:
    """Return the ConfigSync that pushes to an overlapping subtree, None when there is none. Claims nothing."""
    survey = ClaimSurvey(zk, claimant, judge)
    return await survey.rival_above(root) or await survey.rival_below(root)


@dataclass(slots=True)
class ClaimSurvey:
    """Reads the claims that overlap one root, and collects the operations that a new claim needs.

    Args:
        operations: checks of the claims that were read, and writes that clear the claims of ConfigSyncs that are gone.
        gone: uids of ConfigSyncs that have a claim there but do not exist any more.
    """

    zk: Zk
    claimant: Claimant
    judge: Judge
    operations: list[Operation] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)

    async def rival_above(self, root: str) -> Claimant | None:
        """Return the first ConfigSync that pushes to a subtree around this one. Collect checks of claims."""
        for depth in range(1, root.count("/") + 1 if root != "/" else 1):
            path = claim_path("/".join(root.split("/")[:depth]) or "/")
            node = await get_node(self.zk, path)
            if node is None:
                self.operations.append(Create(path, b"", OPEN_ACL))
            elif (rival := await self._live_owner(path, node.data)) is not None:
                return rival
            else:
                self.operations.append(_cleared(path, node))
        return None

    async def rival_below(self, root: str) -> Claimant | None:
        """Return the first ConfigSync that pushes to this subtree or a part of it. Collect writes for old claims."""
        path = claim_path(root)
        node = await get_node(self.zk, path)
        if node is None:
            return None
        return await self._live_owner(path, node.data) or await self._rival_among_children(path, node)

    async def _rival_among_children(self, path: str, node: Node) -> Claimant | None:
        for name in (await self.zk.children(path)).names if node.stat.num_children > 0 else ():
            below = join(path, name)
            if (child := await get_node(self.zk, below)) is None:
                continue
            rival = await self._live_owner(below, child.data) or await self._rival_among_children(below, child)
            if rival is not None:
                return rival
            if child.data:
                self.operations.append(_cleared(below, child))
        return None

    async def _live_owner(self, path: str, data: bytes) -> Claimant | None:
        owner = owner_of(data)
        if owner is None or owner.uid == self.claimant.uid:
            return None
        standing = await self.judge(owner, path.removeprefix(CLAIMS) or "/")
        if standing is Standing.GONE:
            self.gone.add(owner.uid)
        return owner if standing is Standing.PUSHES else None


async def get_node(zk: Zk, path: str) -> Node | None:
    """Return the znode, None when it does not exist."""
    try:
        return await zk.get(path)
    except NoNodeError:
        return None


def owner_of(data: bytes) -> Claimant | None:
    """Return the ConfigSync that the data of a claim names, None when it names none."""
    try:
        document: dict[str, Any] = json.loads(data)
        return Claimant(
            str(document["namespace"]),
            str(document["name"]),
            str(document["uid"]),
            str(document.get("cluster", "")),
            str(document.get("ensemble", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _cleared(path: str, node: Node) -> Operation:
    return Set(path, b"", node.stat.version) if node.data else Check(path, node.stat.version)
