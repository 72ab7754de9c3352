"""Paths of znodes: which ones servers take, and how they are put together."""

import pytest

from zkoperator.zk.paths import join, parent_of, path_problem


@pytest.mark.parametrize("path", ["/", "/a", "/a/b", "/a.b/..c", "/.../x", "/ü☃", "/a b", "/a%2fb"])
def test_valid_paths_have_no_problem(path: str) -> None:
    assert path_problem(path) is None


@pytest.mark.parametrize(
    "path", ["", "a", "/a/", "//", "/a//b", "/.", "/..", "/a/./b", "/a/../b", "/\0", "/\x7f", "/\ud800", "/😀"]
)
def test_paths_that_the_server_refuses_have_a_problem(path: str) -> None:
    assert path_problem(path) is not None


def test_parents_and_children_are_inverse() -> None:
    assert (parent_of("/a/b"), parent_of("/a"), parent_of("/")) == ("/a", "/", "/")
    assert (join("/", "a"), join("/a", "b")) == ("/a", "/a/b")
