"""Rules of the house that no linter knows."""

from pathlib import Path

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
    sources = [*(ROOT / "operator").rglob("*.py"), *(ROOT / "testbed").rglob("*.py")]
    long = {str(path.relative_to(ROOT)): n for path in sources if (n := path.read_text().count("\n")) > 400}
    assert sources and not long
