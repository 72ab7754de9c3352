"""The writes of a ZNode. Pure."""

from dataclasses import dataclass

from zkoperator.tenant.build.secret import Binding
from zkoperator.zk.port import Acl, Operation


@dataclass(frozen=True, slots=True)
class SetFinalizer:
    """Put the finalizer on the ZNode, or take it off."""

    wanted: bool


@dataclass(frozen=True, slots=True)
class CreateSecret:
    """Create the Secret for the application, with a password that nobody has seen."""

    binding: Binding


@dataclass(frozen=True, slots=True)
class Commit:
    """Commit transactions one after another; each is whole, and over exactly the versions that were read."""

    transactions: tuple[tuple[Operation, ...], ...]


@dataclass(frozen=True, slots=True)
class SetAcl:
    """Replace exactly this version of an ACL."""

    path: str
    acl: tuple[Acl, ...]
    aversion: int


Step = SetFinalizer | CreateSecret | Commit | SetAcl
