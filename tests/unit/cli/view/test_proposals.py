"""Objects of a manifest as they would be once applied."""

from typing import Any

import yaml

from zkoperator.api.crd import SYNC, definition
from zkoperator.cli.view.manifests import Document
from zkoperator.cli.view.proposals import _UNCHANGEABLE, as_applied, config_map_as_applied


def document(**value: Any) -> Document:
    return Document("a.yaml", 1, value)


def test_every_rule_of_the_api_server_on_a_change_is_known_here() -> None:
    """Two rules of `path` are one here, and so are two of `keys.separator`."""
    rules = [line for line in yaml.safe_dump(definition(SYNC), width=10_000).splitlines() if "oldSelf" in line]
    assert len(rules) == len(_UNCHANGEABLE) + 2


def test_what_the_api_server_keeps_is_not_taken_from_the_manifest() -> None:
    stale = {"name": "a", "uid": "old", "resourceVersion": "1", "labels": {"x": "new"}}
    live = {"metadata": {"uid": "u", "resourceVersion": "7", "labels": {"x": "1", "y": "2"}}, "status": {"zxid": "0x1"}}
    raw = as_applied(document(metadata=stale, spec={}, status={"zxid": "0x9"}), live, "shop")
    assert raw["status"] == {"zxid": "0x1"}
    assert raw["metadata"] == {
        "name": "a",
        "namespace": "shop",
        "uid": "u",
        "resourceVersion": "7",
        "labels": {"x": "new", "y": "2"},
        "annotations": {},
    }


def test_a_new_object_has_the_uid_of_no_other_one() -> None:
    assert as_applied(document(metadata={"name": "a", "uid": "old"}), None, "shop")["metadata"]["uid"] != "old"


def test_a_key_that_moves_between_text_and_bytes_is_there_once() -> None:
    live = {"metadata": {}, "data": {"a": "1", "b": "2"}, "binaryData": {"c": "AA=="}}
    raw = config_map_as_applied(document(metadata={}, data={"c": "1"}, binaryData={"a": "AA=="}), live, "shop")
    assert (raw["data"], raw["binaryData"]) == ({"b": "2", "c": "1"}, {"a": "AA=="})


def test_keys_that_others_have_applied_go_with_them_and_keys_that_they_have_edited_stay() -> None:
    managers = [
        {"manager": "argocd-controller", "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}, "f:b": {}}}},
        {"manager": "vi", "operation": "Update", "fieldsV1": {"f:data": {"f:mine": {}}}},
        {"manager": "zkoperator", "operation": "Apply", "fieldsV1": {"f:data": {"f:ours": {}}}},
    ]
    live = {"metadata": {"managedFields": managers}, "data": {"a": "1", "b": "2", "mine": "3", "ours": "4"}}
    assert config_map_as_applied(document(metadata={}, data={"a": "5"}), live, "shop")["data"] == {
        "mine": "3",
        "ours": "4",
        "a": "5",
    }
