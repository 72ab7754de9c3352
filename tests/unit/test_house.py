"""Rules of the house that no linter knows."""

import ast
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_operator_is_a_source_root_and_never_shadows_the_stdlib_module() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert not list((ROOT / "operator").rglob("operator.py"))


def test_requirements_name_no_index_and_pin_every_package_by_hash() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "://" not in text and "--index" not in text and "--find-links" not in text, path
        pins = [line for line in text.splitlines() if "==" in line and not line.startswith((" ", "#"))]
        assert pins and all(line.endswith("\\") for line in pins), path


def test_no_source_file_is_longer_than_400_lines() -> None:
    sources = _sources()
    long = {str(path.relative_to(ROOT)): n for path in sources if (n := path.read_text().count("\n")) > 400}
    assert sources and not long


def test_no_function_is_longer_than_60_lines() -> None:
    functions = [(path, node) for path in _sources() for node in _functions(path)]
    long = {f"{path.relative_to(ROOT)}: {node.name}": n for path, node in functions if (n := _lines(node)) > 60}
    assert functions and not long


def _sources() -> list[Path]:
    return [path for folder in ("operator", "testbed", "bench", "tests") for path in (ROOT / folder).rglob("*.py")]


def _functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    found = ast.walk(ast.parse(path.read_text()))
    return [node for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def test_nothing_imports_a_module_of_tests() -> None:
    imports = re.compile(
        r"^\s*(?:from|import) tests\.(?:\w+\.)*test_|^\s*from tests\.[\w.]+ import (?:\w+, )*test_", re.M
    )
    sources = [path for folder in ("tests", "bench", "testbed") for path in (ROOT / folder).rglob("*.py")]
    assert sources and not [str(path.relative_to(ROOT)) for path in sources if imports.search(path.read_text())]


def test_each_test_of_a_stage_lies_in_the_folder_of_that_stage() -> None:
    """What tests a whole kind lies beside these folders."""
    unit = ROOT / "tests" / "unit"
    folders = {path.parent.relative_to(unit) for path in unit.rglob("test_*.py")}
    package = ROOT / "operator" / "zkoperator"
    without = {Path("docs"), Path("support")}
    assert [str(name) for name in folders - without if not (package / name / "__init__.py").exists()] == []


def test_no_folder_with_tests_is_left_out_by_its_name(pytestconfig: pytest.Config) -> None:
    left_out = pytestconfig.getini("norecursedirs")
    folders = {part for path in (ROOT / "tests").rglob("test_*.py") for part in path.relative_to(ROOT).parts[:-1]}
    assert folders and not [name for name in folders if any(fnmatch(name, pattern) for pattern in left_out)]
