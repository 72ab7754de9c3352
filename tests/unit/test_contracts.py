"""The import contracts of pyproject.toml: each can be broken, and none has been forgotten."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

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
        "cryptography",
        "kazoo",
        "kopf",
        "kubernetes",
        "obstore",
        "prometheus_client",
        "pydantic",
        "zkoperator.ensemble",
    ],
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


def broken(house: Path, seeds: dict[str, list[str]]) -> set[str]:
    """Add the imports to the files; return the names of the contracts that notice."""
    for name, imports in seeds.items():
        path = house / "operator" / "zkoperator" / name
        path.write_text(path.read_text() + "".join(f"\nimport {module}" for module in imports))
    code = "import sys; from importlinter.cli import lint_imports_command as run; run(['--no-cache', '--no-logo'])"
    environment = {"PYTHONPATH": str(house / "operator"), "PATH": "/usr/bin:/bin"}
    shown = subprocess.run([sys.executable, "-c", code], cwd=house, env=environment, capture_output=True, text=True)
    return set(re.findall(r"^(.+) BROKEN", shown.stdout, re.MULTILINE))


def test_the_house_keeps_every_contract_and_each_can_be_broken(house: Path) -> None:
    assert broken(house, {}) == set()
    assert broken(house, SEEDS) == {contract["name"] for contract in contracts()}


def test_a_pure_module_may_not_reach_io_through_another_one(house: Path) -> None:
    assert broken(house, {"ensemble/plan/plan.py": ["zkoperator.ensemble.observe.observer"]}) == {
        "pure modules need no I/O, clock or log, and nothing that does"
    }


def test_a_module_that_is_in_no_layer_is_noticed(house: Path) -> None:
    (house / "operator" / "zkoperator" / "cellar.py").write_text("")
    assert broken(house, {}) == {"layers"}


def test_every_module_that_calls_itself_pure_is_held_to_it() -> None:
    held = tuple(
        source for contract in contracts() if contract["type"] == "forbidden" for source in contract["source_modules"]
    )
    claims = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\bPure\b|\bNo I/O\b", ast.get_docstring(ast.parse(path.read_text())) or "")
    }
    loose = {name for name in claims if not any(f"{name}.".startswith(f"{source}.") for source in held)}
    assert claims and not loose
