"""What a grant permits, and what it does not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from zkoperator.api.grant import Grant, GrantAccess, grants_of
from zkoperator.controller.grants import asks_for_labels, outside, permitting

ALL_NAMES = st.text(
    st.characters(exclude_characters="/", exclude_categories=("Cc", "Cs", "Co")), min_size=1, max_size=6
)
NAMESPACES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)


def _grant(**fields: Any) -> Grant:
    return Grant.model_validate(
        {"name": "apps", "namespaces": {"names": ["shop"]}, "paths": ["/apps/{namespace}"], **fields}
    )


def _selected(**selector: Any) -> Grant:
    return _grant(namespaces={"selector": selector})


@pytest.mark.parametrize(
    ("path", "covered"),
    [
        ("/apps/shop", True),
        ("/apps/shop/db", True),
        ("/apps/shopping", False),
        ("/apps", False),
        ("/", False),
        ("/Apps/shop", False),
        ("/apps/Shop", False),
        ("/apps/bank", False),
        ("/apps/{namespace}", False),
        ("/other/apps/shop", False),
    ],
)
def test_a_path_is_covered_by_whole_names_and_exact_letters(path: str, covered: bool) -> None:
    assert (outside((_grant(),), "shop", (path,)) == ()) is covered


def test_each_of_several_roots_must_be_covered() -> None:
    grants = (_grant(paths=["/apps/{namespace}", "/common"]),)
    assert outside(grants, "shop", ("/apps/shop", "/common/a", "/apps/bank")) == ("/apps/bank",)
    assert outside((_grant(paths=["/"]),), "shop", ("/", "/anything")) == ()


@given(NAMESPACES, NAMESPACES, st.lists(ALL_NAMES, max_size=3))
def test_no_namespace_reaches_the_subtree_of_another_one(own: str, other: str, below: list[str]) -> None:
    path = "/".join(["/apps", other, *below])
    grant = _grant(namespaces={"selector": {}})
    assert (outside((grant,), own, (path,)) == ()) is (own == other)


@pytest.mark.parametrize(
    "path",
    [
        *("/apps/../bank", "/apps/./a", "apps", "/apps/", "//apps", "/zookeeper/quota", "/zkoperator", "/apps/{other}"),
        *("/apps/x{namespace}", "/apps/{namespace}x", "/apps/{", ""),
    ],
)
def test_a_path_that_could_mean_another_one_is_refused(path: str) -> None:
    with pytest.raises(ValidationError):
        _grant(paths=[path])


def test_reading_is_not_writing_and_writing_is_reading_too() -> None:
    reading, writing = _grant(), _grant(access="ReadWrite")
    assert permitting((reading,), "shop", {}, GrantAccess.READ_ONLY) == (reading,)
    assert permitting((reading,), "shop", {}, GrantAccess.READ_WRITE) == ()
    assert permitting((writing,), "shop", {}, GrantAccess.READ_ONLY) == (writing,)
    assert permitting((writing,), "shop", {}, GrantAccess.READ_WRITE) == (writing,)


@pytest.mark.parametrize(
    ("selector", "labels", "selected"),
    [
        ({}, {}, True),
        ({"matchLabels": {"team": "a"}}, {"team": "a", "x": "y"}, True),
        ({"matchLabels": {"team": "a"}}, {"team": "b"}, False),
        ({"matchLabels": {"team": "a", "x": "y"}}, {"team": "a"}, False),
        ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["a", "b"]}]}, {"team": "b"}, True),
        ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["a"]}]}, {}, False),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}, {}, True),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}, {"team": "a"}, False),
        ({"matchExpressions": [{"key": "team", "operator": "Exists"}]}, {"team": ""}, True),
        ({"matchExpressions": [{"key": "team", "operator": "Exists"}]}, {}, False),
        ({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}, {}, True),
        ({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}, {"team": "a"}, False),
    ],
)
def test_a_selector_selects_as_everywhere_in_kubernetes(
    selector: dict[str, Any], labels: dict[str, str], selected: bool
) -> None:
    grant = _selected(**selector)
    assert (permitting((grant,), "shop", labels, GrantAccess.READ_ONLY) == (grant,)) is selected


def test_labels_are_asked_for_only_where_they_decide() -> None:
    assert not asks_for_labels((_grant(),), "shop")
    assert not asks_for_labels((_grant(namespaces={"names": ["shop"], "selector": {}}),), "shop")
    assert asks_for_labels((_grant(namespaces={"names": ["shop"], "selector": {}}),), "bank")


def test_a_grant_is_for_somebody() -> None:
    with pytest.raises(ValidationError, match="a grant without them is for nobody"):
        _grant(namespaces={})


def test_grants_that_are_not_valid_permit_nothing() -> None:
    good = TypeAdapter(Grant).dump_python(_grant(), mode="json", by_alias=True, exclude_none=True)
    assert len(grants_of({"spec": {"grants": [good]}})) == 1
    assert grants_of({"spec": {"grants": [good, {**good, "paths": ["/apps/.."]}]}}) == ()
    assert grants_of({"spec": {}}) == ()
