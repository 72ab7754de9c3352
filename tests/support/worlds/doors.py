"""How clients of a test come in: in plaintext, or by TLS with the CA that the operator publishes."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

PLAIN_PORT, TLS_PORT = 2181, 2281


class Wire(StrEnum):
    """What an ensemble of a test speaks, with clients and between members."""

    PLAIN = "plain"
    TLS = "tls"

    @property
    def spec(self) -> dict[str, Any]:
        """What the spec of its cluster has for it."""
        client = {"certificate": {"selfSigned": {}}, "plaintext": "Refused"}
        return {"tls": {"client": client, "quorum": {}}} if self is Wire.TLS else {}

    @property
    def port(self) -> int:
        """Where clients find it."""
        return TLS_PORT if self is Wire.TLS else PLAIN_PORT


@dataclass(frozen=True)
class Door:
    """The port, and what kazoo takes for it."""

    port: int = PLAIN_PORT
    options: Mapping[str, Any] = field(default_factory=dict)


PLAIN = Door()


@contextmanager
def tls_door(bundle: str) -> Iterator[Door]:
    """The TLS port of members that these CAs (PEM) vouch for, and whose names are looked at."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "ca.crt")
        file.write_text(bundle)
        yield Door(TLS_PORT, {"use_ssl": True, "ca": str(file), "check_hostname": True})
