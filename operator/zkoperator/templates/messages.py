"""What went wrong in a template, in words that have no value of a znode in them. Pure.

A message of Python or Jinja2 may quote a value. So only those are shown whose quoted parts all stand in the template
itself, or are made from nothing else: whoever reads the status may not be allowed to read the znodes.
"""

import re
from typing import Final

from jinja2 import TemplateRuntimeError, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError

from zkoperator.templates.port import LONGEST_MESSAGE, Cause, Failure
from zkoperator.templates.tree import AbsentError, TemplateError

_QUOTED: Final = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_TOLD: Final = (UndefinedError, SecurityError, TemplateRuntimeError, OverflowError)
_TYPES: Final = ("str", "dict", "list", "int", "float", "tuple", "zkoperator.templates.tree.KeyValue")
_OWN_WORDS: Final = frozenset((*_TYPES, *(f"{name} object" for name in _TYPES)))
_ADVICE: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (SecurityError, "the sandbox does not allow it: use the functions that templates have"),
    (UndefinedError, "correct the name, or say what stands for it by default(...)"),
    (TemplateSyntaxError, "it is no Jinja2"),
    (SyntaxError, "its blocks are nested too deeply"),
    (RecursionError, "a macro or a map goes too deep: let it end sooner"),
    (ZeroDivisionError, "it divides by zero"),
    (TypeError, "two values do not go together, such as a text and a number, or a function gets too few or too many"),
    (ValueError, "a value does not have the form that is asked for"),
    (KeyError, "there is no such entry: use .get, or default(...)"),
)


def failure_of(error: BaseException, file: str, source: str, line: int) -> Failure:
    """Return what a template has raised as a failure at this line."""
    return Failure(Cause.TEMPLATE, _message(error, source)[:LONGEST_MESSAGE], file, line)


def _message(error: BaseException, source: str) -> str:
    if isinstance(error, AbsentError):
        named = f"znode '{error.path}'" if error.path and error.path in source else "the znode that is asked for"
        return f"{named} does not exist or is not selected; give a default (getv('/path', 'default')), or create it"
    if isinstance(error, TemplateError):
        said = str(error)
        return said if said in source or _is_ours(error) else "the template itself has failed here"
    said = str(getattr(error, "message", None) or error)
    advice = next((text for kind, text in _ADVICE if isinstance(error, kind)), "")
    is_told = isinstance(error, TemplateSyntaxError) or (isinstance(error, _TOLD) and _is_of(said, source))
    if not is_told:
        said = type(error).__name__
    return f"{said.rstrip('.')}; {advice}" if advice else said


def _is_ours(error: TemplateError) -> bool:
    """Whether the words are the operator's own and not those of `fail`."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_name != "_fail"


def _is_of(message: str, source: str) -> bool:
    """Whether all that the message quotes stands in the template. Where quotes stand in quotes nobody can tell."""
    quoted = ("".join(parts) for parts in _QUOTED.findall(message))
    around = _QUOTED.sub("", message)
    is_plain = not any(sign in around for sign in "'\"\\")
    return is_plain and all(text in source or text in _OWN_WORDS for text in quoted)
