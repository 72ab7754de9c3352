"""End states of runs, flat and without what differs from run to run anyway. Pure."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Flat = dict[str, str]


def flatten(value: Any, path: str = "") -> Flat:
    """Every leaf by its path; JSON in a string is opened too, list items are named by their key if they have one."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except ValueError:
            return {path: value}
    if isinstance(value, Mapping):
        return {k: v for key, part in value.items() for k, v in flatten(part, f"{path}/{key}").items()} or {path: "{}"}
    if isinstance(value, list):
        parts = {_name(part, number): part for number, part in enumerate(value)}
        return {k: v for name, part in parts.items() for k, v in flatten(part, f"{path}[{name}]").items()} or {
            path: "[]"
        }
    return {path: repr(value)}


def _name(part: Any, number: int) -> str:
    if isinstance(part, Mapping):
        for key in ("type", "name", "key", "uid", "manager"):
            if isinstance(part.get(key), str):
                return f"{key}={part[key]}" + (f",{part['subresource']}" if "subresource" in part else "")
    return str(number)


def renamed(flat: Flat, names: Mapping[str, str]) -> Flat:
    """The same with each of `names` replaced, in paths and values, by what it stands for in every run."""

    def replaced(text: str) -> str:
        for name, stands_for in sorted(names.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(name, stands_for)
        return text

    return {replaced(path): replaced(value) for path, value in flat.items()}


@dataclass(frozen=True, slots=True)
class Reference:
    """What undisturbed runs agree on; `masked` are the paths on which they do not."""

    state: Flat
    masked: frozenset[str]
    ignoring: str = ""

    @classmethod
    def learn(cls, runs: Sequence[Flat], ignoring: str = "") -> "Reference":
        """Learn from several undisturbed runs; paths that fit the pattern `ignoring` are masked in any case."""
        paths = {path for run in runs for path in run}
        agreed = {path: runs[0][path] for path in paths if len({run.get(path) for run in runs}) == 1}
        return cls(agreed, frozenset(paths - agreed.keys()), ignoring)

    def differences(self, run: Flat) -> tuple[str, ...]:
        """Each unmasked path on which a run differs, with both values."""
        paths = sorted((self.state.keys() | run.keys()) - self.masked)
        return tuple(
            f"{path}: {run.get(path, 'absent')} instead of {self.state.get(path, 'absent')}"
            for path in paths
            if run.get(path) != self.state.get(path) and not (self.ignoring and re.search(self.ignoring, path))
        )


def births_and_deaths(changes: Iterable[tuple[str, bool]]) -> dict[str, tuple[int, int]]:
    """How often each name came into being and ended, from (name, exists now) in the order of commits."""
    counts: dict[str, tuple[int, int]] = {}
    alive: set[str] = set()
    for name, exists in changes:
        born, dead = counts.get(name, (0, 0))
        if exists and name not in alive:
            alive.add(name)
            counts[name] = (born + 1, dead)
        elif not exists and name in alive:
            alive.discard(name)
            counts[name] = (born, dead + 1)
    return counts
