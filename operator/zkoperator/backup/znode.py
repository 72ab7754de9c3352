"""One znode with everything that a client can see of it. Pure."""

from typing import NamedTuple

from zkoperator.zk.port import Acl, Stat


class Znode(NamedTuple):
    """One znode of an export. `data` is None for null."""

    path: str
    data: bytes | None
    stat: Stat
    acl: tuple[Acl, ...]
