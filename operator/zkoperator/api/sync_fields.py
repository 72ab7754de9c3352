"""The types of single fields of a ConfigSync: paths of znodes, hosts, patterns, labels."""

from typing import Annotated

from pydantic import Field

from zkoperator.api.rules import Rule, Rules, matching
from zkoperator.api.types import CONTROL_CHARACTERS

_SEGMENT = rf"[^/{CONTROL_CHARACTERS}\x{{0080}}-\x{{009f}}\x{{e000}}-\x{{f8ff}}\x{{fff0}}-\x{{ffff}}]+"


def _below(reserved: str) -> Rule:
    return Rule(
        f"choose another subtree: {reserved} belongs to {'ZooKeeper' if reserved == '/zookeeper' else 'the operator'}",
        cel=f"self != '{reserved}' && !self.startsWith('{reserved}/')",
        holds=lambda path: path != reserved and not path.startswith(f"{reserved}/"),
    )


ZnodePath = Annotated[
    str,
    Field(min_length=1, max_length=1024),
    Rules(
        matching(
            rf"/|(/{_SEGMENT})+",
            "write an absolute path such as /apps/shop: a '/' before each name, none at the end, no control characters",
        ),
        Rule(
            "remove '.' and '..' from the path: write each name as it is",
            cel=r"!self.matches(r'/\.\.?(/|$)')",
            holds=lambda path: not {".", ".."} & set(path.split("/")),
        ),
        _below("/zookeeper"),
        _below("/zkoperator"),
    ),
]

_HOST = r"([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"

_HOSTS = rf"{_HOST}(,{_HOST})*"

Hosts = Annotated[
    str,
    Field(min_length=1, max_length=2048),
    Rules(
        matching(
            _HOSTS, "write host:port,host:port without spaces and without a path (the path goes to spec.zookeeper.path)"
        )
    ),
]

WholeEnsemble = Annotated[
    str,
    Field(min_length=1, max_length=2048),
    Rules(matching(_HOSTS, "write host:port,host:port without spaces and without a path: the whole tree is read")),
]
"""Hosts of an ensemble of which no subtree can be named."""

Glob = Annotated[
    str,
    Field(min_length=1, max_length=256),
    Rules(
        matching(
            rf"[^/{CONTROL_CHARACTERS}][^{CONTROL_CHARACTERS}]*",
            "write a pattern on the path below the root, such as db/** or *.json, without a leading '/'",
        )
    ),
]

KeyPrefix = Annotated[
    str,
    Field(max_length=128),
    Rules(
        matching(
            r"([A-Za-z0-9.-][A-Za-z0-9._/-]*|_[A-Za-z0-9.-][A-Za-z0-9._/-]*|)",
            "write the beginning of keys, such as config/ or SHOP_, in letters, digits, '.', '_', '-' and '/' (which "
            "stands for the separator)",
        )
    ),
]

KeyStart = Annotated[
    str,
    Field(max_length=128),
    Rules(
        matching(
            r"(_?[A-Za-z0-9-][A-Za-z0-9._-]*|)",
            "write the beginning of keys, such as common. or shop_, in letters, digits, '.', '_' and '-', without '.' "
            "or '__' at its start",
        )
    ),
]

_OWN_PREFIX = "zkoperator.dev/"
NOT_OURS = Rule(
    f"remove keys that start with {_OWN_PREFIX}: the operator sets these itself",
    cel=f"self.all(k, !k.startsWith('{_OWN_PREFIX}'))",
    holds=lambda keys: not any(key.startswith(_OWN_PREFIX) for key in keys),
)
"""Rule for maps of labels or annotations: the operator's own keys are not allowed."""

ShortText = Annotated[str, Field(max_length=4096)]
