"""The map of the house, the architecture, the recipes, the glossary and the decisions name what is there."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "operator" / "zkoperator"
DECISIONS = ROOT / "docs" / "decisions"
FLOW = "validate -> observe -> plan -> apply -> status"
PATH = re.compile(r"`((?:[\w.-]+/)*[\w.*-]+(?:\.(?:py|md|sh|yaml|json)|/))(?:`|::)")


def section(document: str, heading: str) -> str:
    text = (ROOT / document).read_text()
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def missing(text: str, *roots: Path) -> list[str]:
    """The paths in the text that none of the roots has; there must be some."""
    named = PATH.findall(text)
    assert named
    return [name for name in named if not any(list(root.glob(name)) for root in roots)]


@pytest.mark.parametrize(
    ("document", "heading"),
    [
        ("README.md", "Map of the house"),
        ("docs/architecture.md", "Where things are"),
        ("CONTRIBUTING.md", "Recipes"),
        ("CONTRIBUTING.md", "Tests"),
    ],
)
def test_each_path_that_a_page_names_is_there(document: str, heading: str) -> None:
    kinds = (PACKAGE / "ensemble", PACKAGE / "mirror", PACKAGE / "cli", PACKAGE / "zk")
    plain = [ROOT, PACKAGE, ROOT / "tests" / "support", ROOT / "manifests" / "samples"]
    assert missing(section(document, heading), *plain, *kinds, *(kind / "plan" for kind in kinds)) == []


def test_each_part_of_the_package_is_on_the_map() -> None:
    parts = {path.name for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    text = section("README.md", "Map of the house")
    shown = {part for part in parts if f"`{part}`" in text or f"`{part}/" in text}
    assert parts - shown == {"__init__.py", "__main__.py", "errors.py"}


@pytest.mark.parametrize("document", ["README.md", "docs/architecture.md", "CONTRIBUTING.md"])
def test_the_stages_are_told_in_the_order_of_the_code(document: str) -> None:
    told = re.sub(r"\s*-->\s*", " -> ", (ROOT / document).read_text())
    assert FLOW in told and "observe -> validate" not in told


def glossary() -> list[tuple[str, str]]:
    """The words and what the last column says of each."""
    rows = [line.strip("|").split("|") for line in (ROOT / "docs/glossary.md").read_text().splitlines()]
    return [(cells[0].strip(), cells[2].strip()) for cells in rows if len(cells) == 3 and not cells[0].startswith("-")]


def test_the_glossary_names_modules_and_classes_that_are_there() -> None:
    where = [(word, re.findall(r"`([^`]+)`", code)) for word, code in glossary() if word != "word"]
    assert len(where) >= 30
    for word, (module, *classes) in ((word, named) for word, named in where if named):
        source = (PACKAGE / module).read_text()
        assert all(re.search(rf"^class {name}\b", source, re.MULTILINE) for name in classes), (word, module, classes)


def test_the_words_of_the_glossary_are_told_apart() -> None:
    words = [word for word, _ in glossary() if word != "word"]
    assert len(words) == len(set(words)) and not [word for word in words if not word]


def test_each_decision_has_its_parts_and_is_in_both_indexes() -> None:
    pages = sorted(path for path in DECISIONS.glob("0*.md"))
    assert len(pages) >= 10
    for page in pages:
        headings = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
        assert headings == ["Context", "Decision", "Evidence", "Consequences"], page.name
        assert f"({page.name})" in (DECISIONS / "README.md").read_text()
        assert f"(decisions/{page.name})" in (ROOT / "docs" / "README.md").read_text()
        assert missing_tests(page.read_text()) == [], page.name


def missing_tests(text: str) -> list[str]:
    return [name for name in re.findall(r"`(tests/[\w./]+\.py)`", text) if not (ROOT / name).exists()]


def test_what_runs_before_a_commit_is_the_project_s_own() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"]
    assert all(hook["language"] == "system" for repository in hooks for hook in repository["hooks"])


def test_the_page_of_costs_says_of_each_file_what_only_it_would_notice() -> None:
    rows = re.findall(r"^\| `(tests/[^`]+)` \|(.*)\|$", (ROOT / "docs/tests.md").read_text(), re.MULTILINE)
    told = {name for name, cells in rows if len(cells.split("|")[-1].strip()) > 15}
    layers = ("e2e", "faults", "integration", "contract")
    files = {str(path.relative_to(ROOT)) for layer in layers for path in (ROOT / "tests" / layer).rglob("test_*.py")}
    assert told == files and len(rows) == len(files)
