"""Claims on an ensemble: who pushes to which subtree, and whose claims overlap. I/O.

Claims form a tree of their own below `/zkoperator/claims`, with the path of the claimed root. Of two claims that
overlap, the lower one is made over the version of the upper one, and whoever makes the upper one looks below again
afterwards: so one of them notices the other. Every push checks the version of its claim.
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
    """The ConfigSync that pushes: what a claim says of it.

    Args:
        cluster: the Kubernetes that it lives in.
        ensemble: what its spec called the ensemble when it claimed, "" in claims from before that was written.
    """

    namespace: str
    name: str
    uid: str
    cluster: str = ""
    ensemble: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Standing(Enum):
    """What has become of the ConfigSync of a claim."""

    PUSHES = "it exists and pushes there, or nobody can tell"
    ELSEWHERE = "it exists, and does not push there any more"
    GONE = "it does not exist any more"


Judge = Callable[[Claimant, str], Awaitable[Standing]]
"""Tells the standing of a claimant of the subtree at this root."""


async def rival_of(zk: Zk, root: str, claimant: Claimant, judge: Judge) -> Claimant | None:
    """Return who pushes to an overlapping subtree, without claiming anything."""
    survey = ClaimSurvey(zk, claimant, judge)
    return await survey.rival_above(root) or await survey.rival_below(root)


@dataclass(slots=True)
class ClaimSurvey:
    """Reads the claims that overlap one root, and collects what a claim over them has to write.

    Args:
        operations: the conditions under which the claim may be made; claims of ConfigSyncs that are gone are cleared.
        gone: uids of ConfigSyncs that have a claim there and do not exist any more.
    """

    zk: Zk
    claimant: Claimant
    judge: Judge
    operations: list[Operation] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)

    async def rival_above(self, root: str) -> Claimant | None:
        """Return the first that pushes to a subtree around this one; a claim is made over the versions seen here."""
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
        """Return the first that pushes to this subtree or to a part of it; the claims of others there are cleared."""
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
    """Return the znode, None when there is none."""
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
