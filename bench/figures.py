"""A figure is a ratio within one run: to a bare floor, and to what a user would use instead.

Every other module of this package is a bench when it has a function `run()` that returns `Sequence[Figure]`, plain or
as a coroutine; its name is the module's. Numbers of different runs or machines are never compared with one another.
"""

import datetime
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

_COLUMNS = ("figure", "ours", "the run before", "unit", "floor", "ratio", "goal", "instead", "ratio to it")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    Args:
        name: What was measured, as a noun phrase.
        value: Ours, in `unit`.
        unit: ms, s, 1/s, MiB, ...
        floor: The same of the bare floor, None where there is none.
        floor_name: What the floor is.
        instead: The same of what a user would use instead.
        instead_name: What that is.
        goal: The goal as a ratio to the floor, or as an absolute value where there is no floor.
        more_is_better: Whether a larger value is better.
        curve: The name of the snapshot of cost against size that this is a point of.
        size: Where on that curve: the number of things that there were.
        before: The same in the run before, in `unit`: how far two runs of one machine lie apart.
    """

    name: str
    value: float
    unit: str
    floor: float | None = None
    floor_name: str = ""
    instead: float | None = None
    instead_name: str = ""
    goal: float | None = None
    more_is_better: bool = False
    curve: str = ""
    size: float | None = None
    before: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours divided by the floor."""
        return self.value / self.floor if self.floor else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met, None where there is none."""
        if self.goal is None:
            return None
        measured = self.value if self.ratio is None else self.ratio
        return measured >= self.goal if self.more_is_better else measured <= self.goal


def percentile(samples: Sequence[float], share: float) -> float:
    """The value below which a share (0 to 1) of the samples lies."""
    ordered = sorted(samples)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def moment(now: datetime.datetime) -> dict[str, Any]:
    """When a bench was run, and what else the machine had to do before."""
    return {"day": now.date().isoformat(), "load_before": round(os.getloadavg()[0], 2)}


def machine() -> dict[str, Any]:
    """The shape of this machine, without its name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    return {
        "cores": os.cpu_count(),
        "processor": model,
        "memory_gib": round(memory / 2**30, 1),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
    }


def table(figures: Sequence[Figure]) -> str:
    """The figures as a table that reads in a terminal and in Markdown."""
    rows = [_COLUMNS, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def document(
    results: dict[str, Sequence[Figure]], shape: dict[str, Any], measured: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """The same as data; `measured` is the moment of each bench."""
    benches = {
        name: [asdict(figure) | {"ratio": figure.ratio, "met": figure.met} for figure in figures]
        for name, figures in results.items()
    }
    return {"machine": shape, "measured": measured, "benches": benches}


def page(results: dict[str, Sequence[Figure]], shape: dict[str, Any], measured: dict[str, dict[str, Any]]) -> str:
    """The page of the last figures."""
    described = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in shape.items())
    sections = "".join(
        f"\n## {name}\n\n{_measured(measured[name])}\n\n{table(figures)}\n{_pictures(figures)}"
        for name, figures in results.items()
    )
    return (
        "# Figures\n\nWritten by `make bench`. Each ratio is taken within one run, against the floor beside it;\n"
        f"absolute numbers hold for this machine only.\n\nThe machine: {described}.\n{sections}"
    )


def picture_file(curve: str) -> str:
    """The file name of the snapshot of a curve."""
    return f"{curve.replace(' ', '-')}.svg"


def save(
    directory: Path, results: dict[str, Sequence[Figure]], shape: dict[str, Any], measured: dict[str, dict[str, Any]]
) -> dict[str, Sequence[Figure]]:
    """Write FIGURES.md and figures.json, keeping the sections of benches that were not run this time; returns all."""
    data = directory / "figures.json"
    old = json.loads(data.read_text()) if data.exists() else {"benches": {}, "measured": {}}
    kept = {
        name: [Figure(**{k: v for k, v in one.items() if k not in ("ratio", "met")}) for one in figures]
        for name, figures in old["benches"].items()
    }
    again = {name: _beside(figures, kept.get(name, ())) for name, figures in results.items()}
    moments_again = {name: at | _moment_before(old["measured"].get(name)) for name, at in measured.items()}
    merged, moments = dict(sorted((kept | again).items())), dict(sorted((old["measured"] | moments_again).items()))
    data.write_text(json.dumps(document(merged, shape, moments), indent=2) + "\n")
    (directory / "FIGURES.md").write_text(page(merged, shape, moments))
    return merged


def _beside(figures: Sequence[Figure], earlier: Sequence[Figure]) -> list[Figure]:
    values = {figure.name: figure.value for figure in earlier}
    return [replace(figure, before=values.get(figure.name)) for figure in figures]


def _moment_before(earlier: dict[str, Any] | None) -> dict[str, Any]:
    return {} if earlier is None else {"before": {key: earlier[key] for key in ("day", "load_before")}}


def _measured(at: dict[str, Any]) -> str:
    described = f"Measured {at['day']}, load before {at['load_before']}"
    before = at.get("before")
    return described + (f"; the run before: {before['day']}, load {before['load_before']}." if before else ".")


def _pictures(figures: Sequence[Figure]) -> str:
    names = dict.fromkeys(figure.curve for figure in figures if figure.curve)
    return "".join(f"\n![{name}]({picture_file(name)})\n" for name in names)


def _row(figure: Figure) -> tuple[str, ...]:
    verdict = "" if figure.goal is None else f"{'at least' if figure.more_is_better else 'at most'} {figure.goal:g}"
    missed = " (missed)" if figure.met is False else ""
    beside = "" if figure.instead is None else f"{_number(figure.instead)} ({figure.instead_name})"
    better = "" if not figure.instead else f"{figure.value / figure.instead:.2f}"
    return (
        figure.name,
        _number(figure.value),
        "" if figure.before is None else _number(figure.before),
        figure.unit,
        "" if figure.floor is None else f"{_number(figure.floor)} ({figure.floor_name})",
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        verdict + missed,
        beside,
        better,
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []
