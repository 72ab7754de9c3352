"""Built artefacts: built once for equal inputs, never seen half-built, and not kept for ever."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.cache import artefact, cache_root, fingerprint


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write(text: str, built: list[str]) -> Callable[[Path], None]:
    def build(directory: Path) -> None:
        built.append(text)
        (directory / "file").write_text(text)

    return build


def test_equal_inputs_are_built_once() -> None:
    built: list[str] = []
    first = artefact("thing", ("input",), write("one", built))
    second = artefact("thing", ("input",), write("two", built))
    assert first == second
    assert built == ["one"]


def test_an_input_that_changed_builds_another(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("old")
    built: list[str] = []
    first = artefact("thing", (source,), write("one", built))
    source.write_text("new")
    second = artefact("thing", (source,), write("two", built))
    assert (first / "file").read_text() == "one"
    assert (second / "file").read_text() == "two"


@pytest.mark.parametrize("change", ["content", "name", "mode", "addition"])
def test_every_change_of_a_directory_changes_its_fingerprint(tmp_path: Path, change: str) -> None:
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    file = tree / "deep" / "file"
    file.write_text("content")
    before = fingerprint(tree)
    assert fingerprint(tree) == before
    match change:
        case "content":
            file.write_text("changed")
        case "name":
            file.rename(tree / "file")
        case "mode":
            file.chmod(0o755)
        case _:
            (tree / "another").write_text("")
    assert fingerprint(tree) != before


def test_two_inputs_do_not_run_together() -> None:
    assert fingerprint("ab", "c") != fingerprint("a", "bc")


def test_a_build_that_fails_leaves_nothing_and_is_tried_again() -> None:
    def fail(directory: Path) -> None:
        (directory / "half").write_text("")
        raise RuntimeError("no network")

    with pytest.raises(RuntimeError, match="no network"):
        artefact("thing", ("input",), fail)
    assert [path for path in cache_root().rglob("*") if not path.name.endswith(".lock")] == []
    built: list[str] = []
    artefact("thing", ("input",), write("one", built))
    assert built == ["one"]


def test_two_processes_that_want_the_same_build_it_once() -> None:
    built: list[str] = []
    started, go_on = threading.Event(), threading.Event()

    def slow(directory: Path) -> None:
        started.set()
        go_on.wait(30)
        write("slow", built)(directory)

    first = threading.Thread(target=artefact, args=("thing", ("input",), slow))
    first.start()
    started.wait(30)
    second = threading.Thread(target=artefact, args=("thing", ("input",), write("late", built)))
    second.start()
    go_on.set()
    first.join(30)
    second.join(30)
    assert built == ["slow"]


def test_only_a_few_of_a_kind_are_kept() -> None:
    built: list[str] = []
    other = artefact("thing-else", ("input",), write("else", built))
    made = [artefact("thing", (str(number),), write(str(number), built)) for number in range(10)]
    assert made[-1].exists()
    assert other.exists()
    assert 1 < sum(path.exists() for path in made) < 10
