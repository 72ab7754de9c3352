"""Renders the files of a job with Jinja2's sandbox. Pure: what limits it is the process that it runs in.

Nothing that a template can reach writes, reads a file, knows the time or draws by lot, so that the same znodes always
give the same files.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from jinja2 import Environment, StrictUndefined, Template, TemplateSyntaxError, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from zkoperator.templates.messages import failure_of
from zkoperator.templates.port import Answer, Cause, Failure, Job, Rendered
from zkoperator.templates.tree import Function, KeyValue, TemplateError, Tree, bytes_of, text_of

CODE_NAME: Final = "<template>"
"""The file name of compiled templates, as tracebacks have it."""
_WITHOUT: Final = ("random", "urlize", "xmlattr", "forceescape", "pprint", "filesizeformat")
"""Filters that draw by lot, or are for web pages or for looking at objects."""
_OTHER_FILES: Final = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
_PRINTED: Final = (str, int, float, StrictUndefined)
_ADDRESS: Final = re.compile(rb"<[^<>\n]{0,200}\b(?:object|function)(?: [\w.]+)? at 0x[0-9a-f]{6,16}>")
"""How Python prints an object that has no text: by its address, which is another one in each process."""


class OutputError(Exception):
    """What is written at this line cannot be: `line` of the template, 0 where it is not known."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class TooLongError(OutputError):
    """The files are larger together than they may be."""


class AddressError(OutputError):
    """An object is printed by its address."""


Begun = Callable[[str, Template | None], None]


def render(job: Job, output_bytes: int, on_begun: Begun = lambda *_: None) -> Answer:
    """Return the files, or the first failure.

    `on_begun` is called with each file before its template is compiled, and again with the template before it is
    rendered: its lines tell where an end by force was.

    Raises:
        MemoryError: there is none left.
    """
    environment = environment_of(Tree(job.values))
    files: dict[str, bytes] = {}
    left = output_bytes
    for name in sorted(job.files):
        made = _render_file(environment, name, job.files[name], left, on_begun)
        if isinstance(made, Failure):
            return made
        files[name] = made
        left -= len(made)
    return Rendered(files)


def syntax_failure(name: str, text: str) -> Failure | None:
    """Return what is wrong with a template before anything is rendered, None when nothing is."""
    try:
        _compiled(environment_of(Tree({})), text)
    except (TemplateSyntaxError, TemplateError, RecursionError, SyntaxError, ValueError) as error:
        return failure_of(error, name, text, line_of(error, None))
    return None


def environment_of(tree: Tree) -> Environment:
    """Return the sandbox with the functions on this tree."""
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        optimized=False,  # what can be computed while it is compiled would be at no line
        finalize=_printed,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols"],
    )
    for name in _WITHOUT:
        del environment.filters[name]
    del environment.globals["lipsum"]
    environment.filters |= FUNCTIONS
    environment.globals |= {**tree.functions(), **FUNCTIONS}
    return environment


def _render_file(environment: Environment, name: str, text: str, left: int, on_begun: Begun) -> bytes | Failure:
    template: Template | None = None
    on_begun(name, None)
    try:
        template = _compiled(environment, text)
        on_begun(name, template)
        return b"".join(_limited(template, left))
    except TooLongError as error:
        return Failure(Cause.OUTPUT, _TOO_LONG, name, error.line)
    except AddressError as error:
        return Failure(Cause.TEMPLATE, _AN_OBJECT, name, error.line)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a template raises is its own failure
        return failure_of(error, name, text, line_of(error, template))


def _compiled(environment: Environment, text: str) -> Template:
    """Compile a template that needs no other one."""
    parsed = environment.parse(text)
    for node in parsed.find_all(_OTHER_FILES):
        kind = type(node).__name__.lower()
        raise TemplateSyntaxError(
            f"'{kind}' reads another template, and there is none: write its text here", node.lineno
        )
    code = environment.compile(parsed, filename=CODE_NAME)
    return Template.from_code(environment, code, environment.globals)


def _limited(template: Template, left: int) -> Iterator[bytes]:
    """Yield the file piece by piece, as long as there is room for it."""
    pieces = template.root_render_func(template.new_context({}))
    for piece in pieces:
        data = bytes_of(piece)
        left -= len(data)
        if left < 0:
            raise TooLongError(_line_now(template, pieces))
        if _ADDRESS.search(data) is not None:
            raise AddressError(_line_now(template, pieces))
        yield data


def _line_now(template: Template, pieces: Iterator[str]) -> int:
    frame = getattr(pieces, "gi_frame", None)
    return template.get_corresponding_lineno(frame.f_lineno) if frame is not None else 0


_AN_OBJECT: Final = (
    "an object is printed by its address, which differs from one rendering to the next: call it with (), or use list "
    "and join"
)
_TOO_LONG: Final = (
    "all files together would be larger than a ConfigMap may be (1 MiB); write less, or several ConfigSyncs"
)


def line_of(error: BaseException, template: Template | None) -> int:
    """Return the line of the template at which it was, 0 where that is not known."""
    if isinstance(error, TemplateSyntaxError):
        return error.lineno
    line, trace = 0, error.__traceback__
    while trace is not None:
        if template is not None and trace.tb_frame.f_code.co_filename == CODE_NAME:
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line


@pass_context  # with it, nothing is printed while the template is compiled
def _printed(_: Context, value: Any) -> Any:
    """Return what is printed. Lists, maps and functions would be printed in the words of Python."""
    if isinstance(value, KeyValue):
        raise TemplateError("a znode is printed by its .key or its .value")
    if isinstance(value, _PRINTED):
        return value
    if callable(value):
        raise TemplateError("a function is printed: call it, with ()")
    raise TemplateError(f"a {type(value).__name__} is printed: pick what you mean, or use join or to_json")


def _json(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError) as error:
        raise TemplateError("json: the text is no JSON") from error


def _to_json(value: Any, indent: int | None = None) -> str:
    try:
        return json.dumps(value, indent=indent, ensure_ascii=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise TemplateError("to_json: it has what JSON does not have") from error


def _encoded(text: str) -> str:
    return base64.b64encode(bytes_of(text)).decode()


def _decoded(text: str) -> str:
    try:
        return text_of(base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError) as error:
        raise TemplateError("base64Decode: the text is no base64") from error


def _fail(message: str) -> str:
    raise TemplateError(message)


def _base(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _dir(path: str) -> str:
    return path.rstrip("/").rpartition("/")[0] or "/"


FUNCTIONS: Final = {
    name: Function(name, call)
    for name, call in {
        "json": _json,
        "to_json": _to_json,
        "base64Encode": _encoded,
        "base64Decode": _decoded,
        "base": _base,
        "dir": _dir,
        "fail": _fail,
    }.items()
}
"""Functions on values. Each is a filter, too."""
