"""For which names the certificates of a cluster are, and what its generations of CAs are called. Pure."""

from datetime import timedelta
from typing import Final

from zkoperator.ensemble.model.names import Names

OPERATOR: Final = "zkoperator"
"""Subject of the certificate that the operator shows to members."""

_MARK_LENGTH: Final = 8


def client_names(
    names: Names, additional: tuple[str, ...] = (), *, observers: bool = False, outside: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Return the names of the port for clients: the Services, by all their names, and every member.

    Args:
        names: of the cluster.
        additional: further names.
        observers: whether there is a Service for observers.
        outside: names by which clients come from outside the Kubernetes cluster.
    """
    services = (names.client_service, *((names.read_service,) if observers else ()))
    spaces = ("", f".{names.namespace}", f".{names.namespace}.svc", f".{names.namespace}.svc.{names.domain}")
    own = (f"{service}{space}" for service in services for space in spaces)
    return tuple(dict.fromkeys((*own, *quorum_names(names), *additional, *outside)))


def quorum_names(names: Names) -> tuple[str, ...]:
    """Return the names of the ports between members. A wildcard, so that a new member needs no new certificate."""
    short = f"*.{names.members_service}.{names.namespace}"
    return short, f"{short}.svc", f"{short}.svc.{names.domain}"


def mark_of(uid: str) -> str:
    """Return the part of the uid that distinguishes its CAs from those of another cluster with the same name."""
    return uid[:_MARK_LENGTH]


def life_of(duration: str) -> timedelta:
    """Return a duration of the spec, such as `2160h`."""
    amount = int(duration[:-1])
    return timedelta(hours=amount) if duration.endswith("h") else timedelta(minutes=amount)
