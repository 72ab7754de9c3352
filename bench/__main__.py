"""`python -m bench [NAME ...]`: run benches, print their figures, and keep them in FIGURES.md and figures.json."""

import argparse
import asyncio
import cProfile
import datetime
import importlib
import inspect
import json
import pkgutil
import pstats
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import bench
from bench.figures import Figure, document, machine, moment, picture_file, save, table
from bench.plots import curves, snapshot

ROOT = Path(__file__).parent
_PROFILE_LINES = 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benches (all without a name); returns 1 when a goal is missed and `--strict` is given."""
    benches = discover()
    options = _options(benches, arguments)
    shape, results, measured = machine(), {}, {}
    for name in options.names or sorted(benches):
        print(f"# {name}", file=sys.stderr, flush=True)
        measured[name] = moment(datetime.datetime.now(datetime.UTC))
        results[name] = _run(benches[name], profiled=name if options.profile else "")
        if not options.json:
            print(f"\n## {name}\n\n{table(results[name])}", flush=True)
    if options.json:
        print(json.dumps(document(results, shape, measured), indent=2))
    if options.save:
        kept = save(ROOT, results, shape, measured)
        for name, points in curves([figure for figures in kept.values() for figure in figures]).items():
            (ROOT / picture_file(name)).write_text(snapshot(name, points))
    missed = [figure for figures in results.values() for figure in figures if figure.met is False]
    return 1 if missed and options.strict else 0


def discover() -> dict[str, Callable[[], Any]]:
    """The benches of this package by name."""
    found = {}
    for module in pkgutil.iter_modules(list(bench.__path__)):
        if module.ispkg or module.name in ("__main__", "clusters", "figures", "plots"):
            continue
        run = getattr(importlib.import_module(f"bench.{module.name}"), "run", None)
        if run is not None:
            found[module.name] = run
    return found


def _options(benches: dict[str, Callable[[], Any]], arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(sorted(benches))}; none: all")
    parser.add_argument("--json", action="store_true", help="print data instead of tables")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/FIGURES.md and figures.json")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a goal is missed")
    parser.add_argument("--profile", action="store_true", help="profile each bench and print where its time went")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - benches.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; write any of {', '.join(sorted(benches))}")
    return options


def _run(run: Callable[[], Any], profiled: str) -> Sequence[Figure]:
    def whole() -> Sequence[Figure]:
        result = run()
        figures: Sequence[Figure] = asyncio.run(result) if inspect.iscoroutine(result) else result
        return figures

    if not profiled:
        return whole()
    profile = cProfile.Profile()
    figures = profile.runcall(whole)
    file = Path(tempfile.mkdtemp(prefix="zkoperator-profile-")) / f"{profiled}.prof"
    profile.dump_stats(file)
    print(f"profile: {file}", file=sys.stderr)
    pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(_PROFILE_LINES)
    return figures


if __name__ == "__main__":
    sys.exit(main())
