"""The basic types of fields: texts and numbers, each with its bounds and its rule."""

import ipaddress
import re
from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from zkoperator.api.rules import Rule, Rules, matching
from zkoperator.patterns import DNS_LABEL, DNS_SUBDOMAIN, IMAGE_REFERENCE

_QUANTITY = r"[+-]?([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?"

CONTROL_CHARACTERS = r"\x00-\x1f\x7f"
"""For a character class: no value may have them, because they could end a line of a configuration file."""

ObjectName = Annotated[
    str,
    Field(min_length=1, max_length=253),
    Rules(matching(DNS_SUBDOMAIN, "write the name of an object: lower-case letters, digits, '-' and '.'")),
]

LabelName = Annotated[
    str,
    Field(min_length=1, max_length=63),
    Rules(matching(DNS_LABEL, "write lower-case letters, digits and '-', no '-' first or last")),
]
"""A name within an object, such as that of a container or a volume."""
ConfigKey = Annotated[
    str,
    Field(min_length=1, max_length=253),
    Rules(matching(r"[-._a-zA-Z0-9]+", "write a key of letters, digits, '-', '_' and '.'")),
]
"""A key of a ConfigMap or Secret."""
Command = Annotated[tuple[Annotated[str, Field(max_length=8192)], ...], Field(max_length=64)]

_SEGMENT = (
    rf"([^/:.{CONTROL_CHARACTERS}][^/:{CONTROL_CHARACTERS}]*|\.[^/:.{CONTROL_CHARACTERS}][^/:{CONTROL_CHARACTERS}]*)"
)
ABSOLUTE_PATH = matching(
    f"(/{_SEGMENT})+", "write an absolute path without '.', '..' and ':', and without '/' at its end"
)
RELATIVE_PATH = matching(
    f"{_SEGMENT}(/{_SEGMENT})*",
    "write a path within the volume, without '.', '..' and ':', and without '/' at its ends",
)

_QUALIFIED = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"

LabelValue = Annotated[
    str,
    Field(max_length=63),
    Rules(
        matching(
            f"({_QUALIFIED})?",
            "write at most 63 letters, digits, '-', '_' and '.', the first and the last of them a letter or a digit",
        )
    ),
]
AnnotationValue = Annotated[str, Field(max_length=16384)]

ImageReference = Annotated[
    str,
    Field(min_length=1, max_length=512),
    Rules(
        matching(
            IMAGE_REFERENCE,
            "write an image as registry/repository:tag or registry/repository@sha256:digest, without spaces",
        )
    ),
]

StorageSize = Annotated[
    str,
    Field(min_length=1, max_length=32),
    Rules(
        matching(
            r"[1-9][0-9]*(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|Ei|k|M|G|T|P|E)?", "write a size larger than nothing, such as 10Gi"
        )
    ),
]


def _quantity(value: Any) -> int | str:
    # The API server reads a larger number as a float, and refuses it.
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return value
    if isinstance(value, str) and re.fullmatch(_QUANTITY, value) is not None:
        return value
    raise PydanticCustomError("quantity", "write an amount such as 500m, 2 or 1Gi")


Quantity = Annotated[
    int | str,
    PlainValidator(_quantity),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": f"^(?:{_QUANTITY})$",
            "x-kubernetes-int-or-string": True,
        }
    ),
]

_MAX_CONFIG_VALUE = 256


def _config_value(value: Any) -> str:
    """Return the text for zoo.cfg. YAML reads 2000 as a number and true as a boolean, not as texts."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return str(value)
    if isinstance(value, str) and 0 < len(value) <= _MAX_CONFIG_VALUE:
        return value
    raise PydanticCustomError("config_value", "write a whole number, or a text of 1 to 256 characters in quotes")


# A schema without a type would accept true and false too, but the API server could then check no rule on the value.
ConfigValue = Annotated[
    str,
    PlainValidator(_config_value),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "minLength": 1,
            "maxLength": _MAX_CONFIG_VALUE,
            "x-kubernetes-int-or-string": True,
        }
    ),
]

OPERATOR_PREFIXES = ("zkoperator.dev/", "statefulset.kubernetes.io/")
OPERATOR_KEYS = tuple(
    f"app.kubernetes.io/{name}" for name in ("name", "instance", "component", "managed-by", "version")
)
"""Together with the prefixes: labels and annotations of a pod that only the operator or Kubernetes may set."""


def label_keys(prefix: str = DNS_SUBDOMAIN) -> Rule:
    """Return the rule that each key of a map is a name of at most 63 characters, with an optional prefix."""
    regex = f"^({prefix}/)?{_QUALIFIED}$"
    return Rule(
        "write each key as name or as prefix/name, such as team or example.com/team",
        cel=f"self.all(k, k.matches(r'{regex}'))",
        holds=lambda keys: all(re.fullmatch(regex, key) is not None for key in keys),
    )


def annotation_keys() -> Rule:
    """Return the same rule for annotations. Their prefixes may have capital letters."""
    return label_keys(DNS_SUBDOMAIN.replace("a-z", "a-zA-Z"))


def no_operator_keys() -> Rule:
    """Return the rule that a map of labels or annotations has none of the operator's own keys."""
    prefixes = " && ".join(f"!k.startsWith('{prefix}')" for prefix in OPERATOR_PREFIXES)
    return Rule(
        f"remove {', '.join(OPERATOR_KEYS)} and keys that start with {' or '.join(OPERATOR_PREFIXES)}: "
        "the operator and Kubernetes set these themselves",
        cel=f"self.all(k, !(k in {list(OPERATOR_KEYS)}) && {prefixes})",
        holds=lambda keys: not any(key in OPERATOR_KEYS or key.startswith(OPERATOR_PREFIXES) for key in keys),
    )


def is_ip_address(text: str) -> bool:
    """Whether the text is an IP address, as `isIP` of the API server says."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text and getattr(address, "ipv4_mapped", None) is None
