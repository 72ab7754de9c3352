"""An ensemble in memory whose tree others change at random moments, and what it had after each transaction."""

import random

from tests.support.fakes.zk import FakeZk, FakeZkServer
from tests.support.fakes.zk_tree import Principal
from zkoperator.backup.znode import Znode
from zkoperator.zk.paths import join
from zkoperator.zk.port import Acl, Check, Create, Credential, Delete, MultiError, Operation, Set

SUPER = Principal(is_super=True)
ACLS = tuple((Acl(31, "digest", f"user{number}:hash"),) for number in range(4))


def whole(server: FakeZkServer) -> list[Znode]:
    """Everything that the ensemble has, as an export should have it."""
    tree, found, rest = server.tree, [], ["/"]
    while rest:
        path = rest.pop()
        node = tree.get(path, SUPER)
        found.append(Znode(path, node.data, node.stat, tree.get_acl(path, SUPER)))
        rest += [join(path, name) for name in tree.children(path, SUPER).names]
    return sorted(found, key=lambda znode: znode.path.encode())


class Writers:
    """Somebody who writes at random moments, and remembers what the ensemble had after each transaction."""

    def __init__(self, server: FakeZkServer, seed: int) -> None:
        self.rng = random.Random(seed)
        self.server = server
        self.history: dict[int, list[Znode]] = {}
        self._made = 0
        self._note()

    def write(self) -> None:
        """One multi that creates, changes or deletes a few znodes, or nothing when it is refused."""
        operations = [self._operation() for _ in range(self.rng.randint(1, 4))]
        try:
            self.server.write(*operations)
        except MultiError:
            return
        finally:
            self._note()

    def set_acl(self) -> None:
        self.server.set_acl(self._any(), self.rng.choice(ACLS))
        self._note()

    def _operation(self) -> Operation:
        path = self._any()
        kind = self.rng.random()
        if kind < 0.4:
            self._made += 1
            name = f"n{self._made if kind < 0.2 else self.rng.randint(0, 9)}"
            return Create(join(path, name), b"new", self.rng.choice(ACLS))
        if kind < 0.7:
            return Set(path, self.rng.randbytes(self.rng.randint(0, 20)), -1)
        return Delete(path, -1) if path.startswith("/app/") else Check(path, -1)

    def _any(self) -> str:
        return self.rng.choice([znode.path for znode in self.at(self.server.zxid) if znode.path.startswith("/app")])

    def at(self, zxid: int) -> list[Znode]:
        """What there was at this zxid; sessions use up zxids as well."""
        return self.history[max(known for known in self.history if known <= zxid)]

    def _note(self) -> None:
        self.history[self.server.zxid] = whole(self.server)


def ensemble(seed: int, znodes: int = 60) -> tuple[FakeZkServer, Writers]:
    server = FakeZkServer(rng=random.Random(seed))
    server.write(Create("/app", b""))
    writers = Writers(server, seed)
    for _ in range(znodes):
        writers.write()
    return server, writers


def superuser(server: FakeZkServer) -> FakeZk:
    return server.session(Credential("super", server.super_password))
