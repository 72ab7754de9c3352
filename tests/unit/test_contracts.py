"""The import contracts of pyproject.toml: each can be broken, and none has been forgotten."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "operator" / "zkoperator"

SEEDS = {
    "ensemble/model/names.py": ["zkoperator.ensemble.validate"],
    "ensemble/plan/plan.py": ["zkoperator.ensemble.observe.observer"],
    "errors.py": ["zkoperator.api.cluster"],
    "health.py": ["zkoperator.active_replica", "zkoperator.app"],
    "mirror/model/names.py": ["zkoperator.mirror.validate"],
    "mirror/plan/plan.py": [
        "aiohttp",
        "cronsim",
        "cryptography",
        "jinja2",
        "kazoo",
        "kopf",
        "kubernetes",
        "obstore",
        "prometheus_client",
        "pydantic",
        "zkoperator.ensemble",
    ],
    "tenant/model/names.py": ["zkoperator.tenant.validate"],
    "zk/wire.py": ["time"],
}


def contracts() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    return found


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the sources that a test may spoil."""
    shutil.copytree(PACKAGE, tmp_path / "operator" / "zkoperator", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def shown(house: Path, seeds: dict[str, list[str]]) -> str:
    """Add the imports to the files; return what import-linter says."""
    for name, imports in seeds.items():
        path = house / "operator" / "zkoperator" / name
        path.write_text(path.read_text() + "".join(f"\nimport {module}" for module in imports))
    code = "import sys; from importlinter.cli import lint_imports_command as run; run(['--no-cache', '--no-logo'])"
    environment = {"PYTHONPATH": str(house / "operator"), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=house, env=environment, capture_output=True, text=True
    ).stdout


def broken(house: Path, seeds: dict[str, list[str]]) -> set[str]:
    """Add the imports to the files; return the names of the contracts that notice."""
    return set(re.findall(r"^(.+) BROKEN", shown(house, seeds), re.MULTILINE))


def test_the_house_keeps_every_contract_and_each_can_be_broken(house: Path) -> None:
    assert broken(house, {}) == set()
    assert broken(house, SEEDS) == {contract["name"] for contract in contracts()}


def contract_named(beginning: str) -> dict[str, Any]:
    (found,) = (contract for contract in contracts() if contract["name"].startswith(beginning))
    return found


def pure_contract() -> dict[str, Any]:
    return contract_named("pure packages")


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def test_a_pure_module_may_not_reach_io_through_another_one(house: Path) -> None:
    assert broken(house, {"ensemble/plan/plan.py": ["zkoperator.ensemble.observe.observer"]}) == {
        pure_contract()["name"]
    }


def test_an_impure_import_in_any_module_of_a_pure_package_is_noticed(house: Path) -> None:
    modules: list[Path] = []
    for source in pure_contract()["source_modules"]:
        place = source.removeprefix("zkoperator.").replace(".", "/")
        found = [path for at in PACKAGE.glob(place) for path in at.glob("*.py") if path.stem != "__init__"]
        found += PACKAGE.glob(f"{place}.py")
        assert found, source
        modules += found
    pure = [path for path in modules if path.stem != "reporter"]
    said = shown(house, {str(path.relative_to(PACKAGE)): ["threading"] for path in pure})
    assert [name_of(path) for path in pure if f" {name_of(path)} -> threading " not in said] == []


def impure(graph: grimp.ImportGraph, modules: Iterable[str]) -> set[str]:
    """Those of the modules that import what the contract forbids, directly or through others."""
    forbidden = set(pure_contract()["forbidden_modules"])
    return {module for module in modules if graph.find_upstream_modules(module) & forbidden}


def test_every_module_that_calls_itself_pure_is_pure() -> None:
    texts = {name_of(path): ast.get_docstring(ast.parse(path.read_text())) or "" for path in PACKAGE.rglob("*.py")}
    claims = {name for name, text in texts.items() if re.search(r"\bPure\b|\bNo I/O\b", text)}
    claims -= set(contract_named("the wire formats")["source_modules"])
    graph = grimp.build_graph("zkoperator", include_external_packages=True, cache_dir=None)
    graph.remove_import(importer="zkoperator.zk.port", imported="asyncio")
    assert len(claims) > 100
    assert impure(graph, claims) == set()
    graph.add_import(importer="zkoperator.zk.paths", imported="asyncio")
    assert {"zkoperator.zk.paths"} < impure(graph, claims), "and those that import it"


def test_a_module_that_is_in_no_layer_is_noticed(house: Path) -> None:
    (house / "operator" / "zkoperator" / "cellar.py").write_text("")
    assert broken(house, {}) == {"layers"}
