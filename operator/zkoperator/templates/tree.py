"""The functions of templates that read the znodes, by the names that confd has for them. Pure."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

ROOT_KEY = "__root"
"""The own value of a znode that has others below it, in `tree`."""
_ABSENT: Any = object()


class TemplateError(Exception):
    """A template asks for what there is not. The message names what the template says, and never a value."""


class AbsentError(TemplateError):
    """There is no such znode."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class KeyValue(NamedTuple):
    """A znode with a value: `key` is its path with a leading '/', `value` its text."""

    key: str
    value: str


class Tree:
    """The selected znodes with a value. Every answer is in the order of the paths.

    Values are texts; bytes that are no UTF-8 pass through unchanged.
    """

    def __init__(self, values: Mapping[str, bytes]) -> None:
        self._values = {path: text_of(values[path]) for path in sorted(values)}
        self._children: dict[str, dict[str, bool]] = {}
        for path in self._values:
            self._note(path)

    def _note(self, path: str) -> None:
        """Note each name of the path as a child of the one before it, and whether it has children itself."""
        child, has_children = path, False
        while child:
            parent, _, name = child.rpartition("/")
            siblings = self._children.setdefault(parent, {})
            if siblings.get(name) or (name in siblings and not has_children):
                return
            siblings[name] = has_children
            child, has_children = parent, True

    def functions(self) -> dict[str, Any]:
        """Return the functions by name."""
        named = (self.exists, self.get, self.getv, self.gets, self.getvs, self.ls, self.lsdir, self.tree)
        return {call.__name__: Function(call.__name__, call) for call in named}

    def exists(self, path: str) -> bool:
        """Whether the znode has a value."""
        return _relative(path) in self._values

    def get(self, path: str) -> KeyValue:
        """Return path and value of one znode."""
        return KeyValue(f"/{_relative(path)}", self.getv(path))

    def getv(self, path: str, default: Any = _ABSENT) -> Any:
        """Return the value of one znode, or the default where there is none."""
        found = self._values.get(_relative(path), default)
        if found is _ABSENT:
            raise AbsentError(path)
        return found

    def gets(self, pattern: str) -> list[KeyValue]:
        """Return the znodes whose paths match: `*` within a name, `**` across names."""
        matches = glob(_relative(pattern)).fullmatch
        return [KeyValue(f"/{path}", text) for path, text in self._values.items() if matches(path) is not None]

    def getvs(self, pattern: str) -> list[str]:
        """Return the values of the same znodes."""
        return [found.value for found in self.gets(pattern)]

    def ls(self, path: str = "/") -> list[str]:
        """Return the names of the children."""
        return sorted(self._children.get(_relative(path), ()))

    def lsdir(self, path: str = "/") -> list[str]:
        """Return the names of the children that have children."""
        return sorted(name for name, has in self._children.get(_relative(path), {}).items() if has)

    def tree(self, path: str = "/") -> dict[str, Any]:
        """Return everything below as maps within one another."""
        top = _relative(path)
        found: dict[str, Any] = {}
        for name in self.ls(top):
            below = f"{top}/{name}" if top else name
            own = self._values.get(below)
            if below not in self._children:
                found[name] = own
            else:
                found[name] = self.tree(below) | ({ROOT_KEY: own} if own is not None else {})
        return found


class Function:
    """A function of templates: one that is printed by mistake shows its name and no address."""

    def __init__(self, name: str, call: Any) -> None:
        self._name = name
        self._call = call

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the function."""
        return self._call(*arguments, **named)

    def __repr__(self) -> str:
        """Return the same text in every process."""
        return f"function {self._name}"


def text_of(data: bytes) -> str:
    """Return bytes as a text from which `bytes_of` makes the same bytes."""
    return data.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """Return the bytes of a text."""
    return text.encode("utf-8", "surrogateescape")


def glob(pattern: str) -> re.Pattern[str]:
    """Return the expression of a pattern on paths."""
    regex = "".join(_SIGNS.get(part, re.escape(part)) for part in re.split(r"(\*\*/|/\*\*$|\*+|\?)", pattern))
    return re.compile(regex, re.DOTALL)


_SIGNS = {"**/": "(?:.*/)?", "/**": "(?:/.*)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _relative(path: str) -> str:
    if not isinstance(path, str):
        raise TemplateError("a path is a text, such as '/db/url'")
    return path.strip("/")
