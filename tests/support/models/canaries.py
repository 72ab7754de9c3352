"""Values and credentials that can be recognised wherever they turn up, plain or in another writing."""

import base64
import hashlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote


@dataclass
class Canaries:
    """What was planted: the text of each, by the place where it is allowed to be."""

    planted: dict[str, str] = field(default_factory=dict)

    def plant(self, place: str) -> str:
        """A new one."""
        return self.take(place, f"canary/{secrets.token_hex(8)}")

    def take(self, place: str, text: str) -> str:
        """One that somebody else has made, such as a generated password."""
        self.planted[place] = text
        return text

    def digest(self, place: str, username: str, password: str) -> str:
        """What ZooKeeper compares of a password, as ACLs have it."""
        made = base64.b64encode(hashlib.sha1(f"{username}:{password}".encode()).digest())
        return self.take(place, made.decode())

    def guesses(self, texts: Mapping[str, str], beginning: str) -> list[str]:
        """Every place of `texts` that shows a digest without a key of one whose place begins so."""
        return [
            f"{where} shows the {name} of the {place}"
            for where, text in texts.items()
            for place, canary in self.planted.items()
            if place.startswith(beginning)
            for name, digest in digests(canary)
            if digest in text
        ]

    def leaks(self, texts: Mapping[str, str]) -> list[str]:
        """Every place of `texts` that shows one, with the writing it is shown in."""
        return [
            f"{where} shows the {place}, {writing}"
            for where, text in texts.items()
            for place, canary in self.planted.items()
            for writing, written in writings(canary)
            if written in text
        ]


def digests(canary: str) -> Iterator[tuple[str, str]]:
    """What tells whether a value was guessed: the beginning of each digest without a key, as text."""
    data = canary.encode()
    made = {"BLAKE2b": hashlib.blake2b(data, digest_size=16).digest()}
    made |= {name: hashlib.new(name, data).digest() for name in ("md5", "sha1", "sha256", "sha512")}
    for name, digest in made.items():
        yield f"{name} digest", digest.hex()[:12]
        yield f"{name} digest in base64", base64.b64encode(digest[:9]).decode()


def writings(canary: str) -> Iterator[tuple[str, str]]:
    """The canary in each writing, by its name."""
    data = canary.encode()
    yield "plain", canary
    yield "quoted as in an address", quote(canary, safe="")
    yield "in hexadecimal", data.hex()
    for shift in range(3):
        # What stands before moves the letters; the first and the last few depend on it.
        encoded = base64.b64encode(b"\0" * shift + data).decode().rstrip("=")
        yield f"in base64 at offset {shift}", encoded[4 if shift else 0 : -2]
