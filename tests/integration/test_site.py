"""The site of the documents: no link leads nowhere, alerts lead to their entries, pages read as in the repository."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from testbed import site
from testbed.errors import TestbedError
from tests.support.models.monitoring import alerts
from zkoperator import __version__

ROOT = Path(__file__).parents[2]
PARTS = ("li", "pre", "table", "tr", "blockquote", "h2", "h3")
COUNT = f"""
import json, re, sys
from markdown_it import MarkdownIt
reader = MarkdownIt().enable("table")
for text in json.load(sys.stdin):
    html = reader.render(text)
    print(json.dumps([len(re.findall(f"<{{part}}[ >]", html)) for part in {PARTS}]))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    site.build(directory)
    return directory


def html(built: Path, page: Path) -> str:
    name = page.parent if page.name == "README.md" else page.with_suffix("")
    return (built / name / "index.html").read_text()


def test_each_alert_leads_to_its_entry(built: Path) -> None:
    assert alerts()
    for alert in alerts():
        url = urlsplit(alert["annotations"]["runbook_url"])
        page = (built / url.path.strip("/") / "index.html").read_text()
        assert page.count(f'id="{url.fragment}"') == 1, alert["alert"]


def test_each_page_has_the_lists_tables_and_code_that_the_repository_shows(built: Path) -> None:
    pages = site.pages()
    texts = json.dumps([(ROOT / page).read_text() for page in pages])
    environment = {**os.environ, "PYTHONPATH": str(site.generator())}
    counted = subprocess.run(
        [sys.executable, "-c", COUNT], input=texts, env=environment, capture_output=True, text=True, check=True
    )
    for page, line in zip(pages, counted.stdout.splitlines(), strict=True):
        article = re.findall(r'<article class="md-content__inner[^>]*>(.*?)</article>', html(built, page), re.DOTALL)[0]
        article = re.sub(r'<pre id="__code', "<pre", article)
        found = [len(re.findall(rf"<{part}[ >]", article)) for part in PARTS]
        assert dict(zip(PARTS, found, strict=True)) == dict(zip(PARTS, json.loads(line), strict=True)), page


def test_pages_load_nothing_from_elsewhere(built: Path) -> None:
    for page in built.rglob("*.html"):
        text = page.read_text()
        loaded = re.findall(r'<(?:script|img|link rel="(?:stylesheet|preconnect)")[^>]*(?:src|href)="([^"]*)"', text)
        assert [address for address in loaded if address.startswith(("http", "//"))] == [], page


def test_the_site_says_of_which_version_it_is(built: Path) -> None:
    assert f"These pages are those of {__version__}." in html(built, Path("versions.md"))


def test_a_link_that_leads_nowhere_fails_the_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(site, "pages", lambda: [Path("README.md")])
    with pytest.raises(TestbedError, match="docs/tutorial.md"):
        site.build(tmp_path)
