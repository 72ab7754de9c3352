"""Backups of the ensemble in memory: taken, and put back."""

import copy

from tests.support.fakes.zk_tree import Tree
from tests.support.worlds.mirror import World

EPOCH = 1 << 32


def backup(world: World) -> Tree:
    return copy.deepcopy(world.zk.tree)


def put_back(world: World, tree: Tree, epochs: int = 1) -> None:
    """The ensemble goes on from a backup in a new epoch, as a new leader does: its zxids are larger than any before."""
    tree.zxid = (world.zk.zxid // EPOCH + epochs) * EPOCH
    world.zk.restore(tree)
