"""How the content stands in the ConfigMap: one key for each znode, or one file."""

from enum import StrEnum
from typing import ClassVar

from zkoperator.api.meta import Model
from zkoperator.api.rules import Rule
from zkoperator.api.types import ConfigKey


class FormatType(StrEnum):
    """The syntax of the file. `Keys`: no file, each znode is a key of the ConfigMap."""

    KEYS = "Keys"
    PROPERTIES = "Properties"
    JSON = "Json"
    YAML = "Yaml"
    DOTENV = "Dotenv"


class Format(Model):
    """How the content stands in the ConfigMap: one key for each znode, or all of them as one file."""

    rules: ClassVar = (
        Rule(
            "write the key of the ConfigMap that has the file, such as application.properties",
            field="key",
            cel="!has(self.type) || self.type == 'Keys' || has(self.key)",
            holds=lambda given: given.type is FormatType.KEYS or given.key is not None,
        ),
        Rule(
            "remove it, or write the type of the file: with type Keys there is none",
            field="key",
            cel="!has(self.key) || (has(self.type) && self.type != 'Keys')",
            holds=lambda given: given.type is not FormatType.KEYS or given.key is None,
        ),
    )

    type: FormatType = FormatType.KEYS
    """The syntax of the file: Java's properties, JSON, YAML, or assignments of a shell. `Keys`: no file, each znode is
    a key of the ConfigMap."""
    key: ConfigKey | None = None
    """Key of the ConfigMap that has the file. The other keys of the ConfigMap are left alone."""
