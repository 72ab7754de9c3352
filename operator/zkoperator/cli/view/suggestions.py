"""What may follow in a command line, for the completion of shells. Pure."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

FILES: Final = ("file", "write", "kubeconfig")
"""Arguments that are names of files."""


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What may follow.

    Args:
        words: each with its explanation, which may be empty.
        argument: the argument whose values only the cluster knows, "" for none.
        given: the words that were given for the positional arguments so far.
        files: whether it is the name of a file.
    """

    words: tuple[tuple[str, str], ...] = ()
    argument: str = ""
    given: tuple[str, ...] = ()
    files: bool = False


def suggestions(commands: Mapping[str, argparse.ArgumentParser], words: Sequence[str]) -> Suggestions:
    """Return what may take the place of the last word."""
    *before, last = words or ("",)
    if not before:
        return Suggestions(tuple((name, parser.description or "") for name, parser in commands.items()))
    parser = commands.get(before[0])
    if parser is None:
        return Suggestions()
    options = {text: action for action in parser._actions for text in action.option_strings}
    given = tuple(_given(before[1:], options))
    previous = options.get(before[-1])
    if previous is not None and previous.nargs != 0:
        return _values(previous, given)
    if last.startswith("-"):
        return Suggestions(tuple((text, action.help or "") for text, action in options.items()))
    return _positional(parser, given)


def _given(words: Iterable[str], options: Mapping[str, argparse.Action]) -> Iterable[str]:
    """Yield the words that are neither options nor their values."""
    is_value = False
    for word in words:
        option = options.get(word)
        if option is None and not is_value and not word.startswith("-"):
            yield word
        is_value = option is not None and option.nargs != 0


def _positional(parser: argparse.ArgumentParser, given: tuple[str, ...]) -> Suggestions:
    places = [action for action in parser._actions if not action.option_strings]
    if not places:
        return Suggestions()
    place = places[min(len(given), len(places) - 1)]
    is_full = len(given) >= len(places) and place.nargs not in ("*", "+")
    return Suggestions() if is_full else _values(place, given)


def _values(action: argparse.Action, given: tuple[str, ...]) -> Suggestions:
    if action.choices is not None:
        return Suggestions(tuple((str(choice), "") for choice in action.choices))
    if action.dest in FILES:
        return Suggestions(files=True)
    return Suggestions(argument=action.dest, given=given)
