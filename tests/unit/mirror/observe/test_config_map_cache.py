"""What this process knows better than its informer, because it has written it."""

from zkoperator.mirror.observe.config_map_cache import ConfigMapCache


def _version(number: str) -> dict[str, object]:
    return {"metadata": {"name": "shop", "uid": "1", "resourceVersion": number}}


def test_an_informer_that_shows_what_was_replaced_is_late() -> None:
    target = ConfigMapCache()
    target.wrote("a", _version("b"), 0.0)
    target.wrote("b", _version("c"), 0.0)
    for late in ("a", "b"):
        assert target.newest(_version(late), 1.0) == _version("c")
    assert target.newest(_version("c"), 1.0) == _version("c")
    assert target.newest(_version("d"), 1.0) == _version("d")


def test_an_informer_that_shows_a_lower_number_is_late() -> None:
    target = ConfigMapCache()
    target.wrote("10", _version("14"), 0.0)
    assert target.newest(_version("12"), 1.0) == _version("14")
    assert target.newest(_version("15"), 1.0) == _version("15")
