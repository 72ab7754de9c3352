"""The site of the documents without building it, which tests/integration/test_site.py does."""

from typing import cast

import pytest

from testbed import site


def linked() -> list[str]:
    entries = cast("list[str | dict[str, list[str]]]", site.navigation())
    return [page for entry in entries for page in ([entry] if isinstance(entry, str) else next(iter(entry.values())))]


def test_every_page_is_in_the_navigation_once() -> None:
    pages = [str(page) for page in site.pages()]
    assert sorted(linked()) == sorted([*pages, "versions.md"])


def test_each_minor_version_is_shown_by_its_newest_patch_and_this_one_by_the_checkout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(site, "__version__", "0.12.0")
    tags = ["v0.2.0", "v0.10.9", "v0.10.10", "v0.12.0", "v0.13.0", "v0.2.0-rc1", "nightly"]
    assert site.newest_of_minors(tags) == {"0.10": "v0.10.10", "0.2": "v0.2.0"}


@pytest.mark.parametrize(
    ("page", "staged"),
    [
        ("Why:\n- one\n  more\n- two\n", "Why:\n\n- one\n    more\n- two\n"),
        ("- one\n\n  | a |\n  |---|\n- two\n", "- one\n\n    | a |\n    |---|\n\n- two\n"),
        ("1. one\n\n       code\n2. two\n", "1. one\n\n        code\n\n2. two\n"),
        ("text\n| a |\n|---|\n| b |\n", "text\n\n| a |\n|---|\n| b |\n"),
        ("```\na\n- b\n```\n", "```\na\n- b\n```\n"),
    ],
)
def test_lists_and_tables_get_the_space_that_mkdocs_needs(page: str, staged: str) -> None:
    assert site.markdown_of_mkdocs(page) == staged
