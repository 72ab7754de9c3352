"""The names that a ConfigSync puts on other objects."""

from zkoperator.mirror.model.merge_base import Side
from zkoperator.mirror.model.names import rollout_annotation


def test_the_annotation_of_a_long_name_is_short_and_its_own() -> None:
    names = {rollout_annotation("x" * 63), rollout_annotation("x" * 70 + "a"), rollout_annotation("x" * 70 + "b")}
    assert len(names) == 3
    assert all(len(name.partition("/")[2]) <= 63 for name in names)
    assert {str(side) for side in Side} == {"zookeeper", "configmap"}
