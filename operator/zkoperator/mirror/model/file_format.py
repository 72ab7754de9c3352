"""The whole tree as one file under one key of the ConfigMap: keys and values to text, and back. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from zkoperator.api.sync_format import FormatType
from zkoperator.mirror.model.ends.end import End
from zkoperator.mirror.model.formats import dotenv_text, json_text, properties_text, yaml_text
from zkoperator.mirror.model.formats.text import BadTextError, refuse

_LONGEST_FLAW: Final = 300
_NO_TEXT: Final = "its value is no UTF-8 text"


@dataclass(frozen=True, slots=True)
class FileFormat:
    """How the file is written.

    Args:
        type: its syntax.
        key: of the ConfigMap, that has it.
        separator: what stands between the names in a key.
        prefixes: what stands before the keys of the sources, where there are several.
    """

    type: FormatType
    key: str
    separator: str
    prefixes: tuple[str, ...] = ()

    def parse(self, text: str) -> dict[str, str]:
        """Return the values by key.

        Raises:
            BadTextError: the text is not in the syntax, or has what znodes cannot hold.
        """
        match self.type:
            case FormatType.PROPERTIES:
                return properties_text.parse(text)
            case FormatType.DOTENV:
                return dotenv_text.parse(text)
            case FormatType.JSON:
                return json_text.parse(text, self.separator)
            case _:
                return yaml_text.parse(text, self.separator)

    def render(self, values: Mapping[str, bytes]) -> str:
        """Return the file, the same for the same values. `problem_of` is "" for each of them."""
        texts = {key: value.decode() for key, value in values.items()}
        match self.type:
            case FormatType.PROPERTIES:
                return properties_text.render(texts)
            case FormatType.DOTENV:
                return dotenv_text.render(texts)
            case FormatType.JSON:
                return json_text.render(texts, self.separator)
            case _:
                return yaml_text.render(texts, self.separator)

    def problem_of(self, key: str, value: bytes | None) -> str:
        """Return why the file cannot hold this key, "" if it can. `value` is None while it is not known."""
        problem = dotenv_text.problem_of_key(key) if self.type is FormatType.DOTENV else ""
        if problem or value is None:
            other = "leave it out by spec.keys.exclude, or write another format"
            return problem and f"{problem}: {self._remedy(key)}, {other}"
        try:
            text = value.decode()
        except UnicodeDecodeError:
            problem = _NO_TEXT
        else:
            problem = dotenv_text.problem_of_value(text) if self.type is FormatType.DOTENV else ""
        return problem and f"{problem}, which {self.type.value} cannot hold; leave it out by spec.keys.exclude"

    def _remedy(self, key: str) -> str:
        """Return what makes the key the name of a variable. No name of a znode mends what the spec writes into it."""
        for prefix in self.prefixes:
            if key.startswith(prefix) and dotenv_text.problem_of_key(f"{prefix}a"):
                return f"change the prefix {prefix} in spec.zookeeper.sources"
        if self.separator in key and dotenv_text.problem_of_key(f"a{self.separator}a"):
            return "change spec.keys.separator to __"
        return "rename the znode"


class FileView(NamedTuple):
    """What a ConfigMap has in the file.

    Args:
        values: by key; empty when there is no file, or none that can be read.
        flaw: why the file cannot be read, "" if it can.
        is_binary: whether it stands in `binaryData`.
        beside_bytes: bytes of all other values of the ConfigMap.
    """

    values: Mapping[str, bytes]
    flaw: str = ""
    is_binary: bool = False
    beside_bytes: int = 0


def view_of(config_map: Mapping[str, Any], end: End, given: FileFormat) -> FileView:
    """Return what the ConfigMap or Secret has in the file. Other keys are not the operator's."""
    entries = {key: (value, is_binary) for key, value, is_binary in end.entries(config_map)}
    file, is_binary = entries.pop(given.key, (b"", False))
    beside = sum(len(value) for value, _ in entries.values())
    try:
        values = given.parse(_text(file))
    except BadTextError as error:
        return FileView({}, str(error)[:_LONGEST_FLAW], is_binary, beside)
    return FileView({key: value.encode() for key, value in values.items()}, "", is_binary, beside)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        text = data[: error.start].decode()
        refuse(text, len(text), "this is no UTF-8 text")
