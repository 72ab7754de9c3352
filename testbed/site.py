"""The documentation as a site: the pages of the checkout at addresses that follow their paths, built by MkDocs.

`python -m testbed.site` builds it in `build/site`, with the pages of earlier releases below their numbers.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from testbed.cache import artefact
from testbed.processes import run
from zkoperator import __version__

_CHECKOUT = Path(__file__).parent.parent
_REQUIREMENTS = _CHECKOUT / "requirements" / "docs.txt"
_PAGES = ("*.md", "docs/*.md", "docs/decisions/*.md", "bench/*.md", "charts/zkoperator/README.md")
_PICTURES = ("bench/*.svg", "docs/*.svg")
_PROJECT = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "charts/zkoperator/README.md", "versions.md")
_TAG = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
_LINK = re.compile(r"\]\(([^)#:]+\.md)\)")
_ITEM = re.compile(r"([-*]|\d+\.) +(?=\S)")


def generator() -> Path:
    """Return a directory with the packages that build the site; nothing else needs them."""

    def install(directory: Path) -> None:
        run(
            sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--target", directory,
            "-r", _REQUIREMENTS, what="installation of MkDocs",
        )  # fmt: skip

    return artefact("docs-generator", (_REQUIREMENTS, sys.version), install)


def build(site: Path, earlier: Iterable[str] = ()) -> None:
    """Build the pages of this checkout into a directory, which is replaced.

    Args:
        site: The directory.
        earlier: The numbers of earlier releases whose pages are below it.

    Raises:
        TestbedError: A link or an anchor leads nowhere, or a page is not in the navigation.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "source"
        _stage(source, earlier)
        config = Path(scratch) / "mkdocs.yml"
        base = {"INHERIT": str(_CHECKOUT / "docs" / "mkdocs.yml"), "docs_dir": str(source), "nav": navigation()}
        config.write_text(yaml.safe_dump(base, sort_keys=False))
        run(
            sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", config,
            "--site-dir", site.resolve(), cwd=Path(scratch), what="mkdocs build",
            env={**os.environ, "PYTHONPATH": str(generator())},
        )  # fmt: skip


def pages() -> list[Path]:
    """Return the pages of the site, relative to the checkout."""
    return [path.relative_to(_CHECKOUT) for pattern in _PAGES for path in sorted(_CHECKOUT.glob(pattern))]


def navigation() -> list[object]:
    """Return the navigation: the paragraphs of docs/README.md, of which each begins with its name, and their links."""
    sections: list[object] = ["README.md", "docs/README.md"]
    for paragraph in (_CHECKOUT / "docs" / "README.md").read_text().split("\n\n")[1:]:
        name, _, links = paragraph.partition(":")
        linked = dict.fromkeys(os.path.normpath(f"docs/{link}") for link in _LINK.findall(links))
        sections.append({name: [page for page in linked if not page.startswith("docs/decisions/")]})
    decisions = [str(page) for page in pages() if page.parent == Path("docs/decisions")]
    decisions.sort(key=lambda page: not page.endswith("README.md"))
    return [*sections, {"Decisions": decisions}, {"Project": [*_PROJECT]}]


def markdown_of_mkdocs(text: str) -> str:
    """Return a page in the Markdown of MkDocs, whose lists and tables follow an empty line and indent by four."""
    return "\n".join(_reindented(text.split("\n")))


def _reindented(lines: list[str]) -> Iterator[str]:
    before, width, fenced, tight = "", 0, False, False
    for line in lines:
        item = None if fenced else _ITEM.match(line)
        begins = (item and not tight) or (_row(line) and not _row(before))
        if begins and before and not fenced:
            yield ""
        fenced ^= line.lstrip().startswith("```")
        if item:
            width = item.end()
        elif line and not line.startswith(" "):
            width = 0
        tight = bool(item) or (tight and line.startswith(" "))  # an item and its first paragraph
        yield " " * max(0, 4 - width) + line if not item and width and line.startswith(" " * width) else line
        before = line


def _row(line: str) -> bool:
    return line.lstrip().startswith("|")


def _stage(source: Path, earlier: Iterable[str]) -> None:
    """Put what the site is made from below a directory, at the paths of the checkout."""
    for page in pages():
        target = source / page
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(markdown_of_mkdocs((_CHECKOUT / page).read_text()))
    for pattern in _PICTURES:
        for picture in _CHECKOUT.glob(pattern):
            target = source / picture.relative_to(_CHECKOUT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(picture, target)
    (source / "versions.md").write_text(_versions(earlier))


def _versions(earlier: Iterable[str]) -> str:
    rows = [f"- [{number}](https://zkoperator.dev/{number}/)\n" for number in earlier]
    intro = f"# Versions\n\nThese pages are those of {__version__}. "
    return intro + ("Earlier ones:\n\n" + "".join(rows) if rows else "There are no earlier ones.\n")


def newest_of_minors(tags: Iterable[str]) -> dict[str, str]:
    """Return the minor versions below this one, newest first, each with the tag of its newest patch."""
    found = sorted(tuple(map(int, match.groups())) for tag in tags if (match := _TAG.fullmatch(tag)))
    newest = {f"{major}.{minor}": f"v{major}.{minor}.{patch}" for major, minor, patch in found}
    return {minor: newest[minor] for minor in reversed(newest) if _minor(minor) < _minor(__version__)}


def _minor(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")[:2]))


def _build_earlier(site: Path, minor: str, tag: str) -> None:
    """Build the pages of a release as it did itself."""
    with tempfile.TemporaryDirectory() as scratch:
        checkout = Path(scratch) / tag
        run("git", "worktree", "add", "--detach", checkout, tag, cwd=_CHECKOUT)
        try:
            run(
                sys.executable, "-m", "testbed.site", "--alone", "--out", (site / minor).resolve(), cwd=checkout,
                env={**os.environ, "PYTHONPATH": f"{checkout / 'operator'}:{checkout}"}, what=f"the pages of {tag}",
            )  # fmt: skip
        finally:
            run("git", "worktree", "remove", "--force", checkout, cwd=_CHECKOUT)


def main() -> None:
    """Build the site, and below it the pages of each earlier minor version that has a tag."""
    parser = argparse.ArgumentParser(prog="testbed.site", description="Build the documentation as a site.")
    parser.add_argument("--out", type=Path, default=_CHECKOUT / "build" / "site", help="(default: %(default)s)")
    parser.add_argument("--alone", action="store_true", help="without the pages of earlier releases")
    arguments = parser.parse_args()
    tags = [] if arguments.alone else run("git", "tag", cwd=_CHECKOUT).split()
    earlier = newest_of_minors(tags)
    build(arguments.out, earlier)
    for minor, tag in earlier.items():
        _build_earlier(arguments.out, minor, tag)


if __name__ == "__main__":
    main()
