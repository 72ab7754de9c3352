"""The globs of `spec.keys`."""

from zkoperator.mirror.model.selection import Selection


def test_globs_stay_within_a_segment_unless_doubled() -> None:
    def takes(include: str, path: str) -> bool:
        return Selection("/apps/shop", (include,)).takes(path)

    assert [takes("*", path) for path in ("a", "a/b", "")] == [True, False, True]
    assert [takes("**", path) for path in ("a", "a/b", "")] == [True, True, True]
    assert [takes("a/**", path) for path in ("a", "a/b/c", "ab")] == [True, True, False]
    assert [takes("**/b", path) for path in ("b", "a/b", "a/x/b", "ab")] == [True, True, True, False]
    assert [takes("a/**/b", path) for path in ("a/b", "a/x/y/b", "ab")] == [True, True, False]
    assert [takes("?.json", path) for path in ("a.json", "ab.json", "ajson")] == [True, False, False]
