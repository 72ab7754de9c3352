"""What holds for every object, not only for those somebody thought of."""

import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zkoperator.api.cluster import ZooKeeperCluster
from zkoperator.api.jvm import CHARACTERS
from zkoperator.api.parse import parse, parse_strict
from zkoperator.api.sync import ConfigSync
from zkoperator.api.zoocfg import ALLOWED, refusal, value_error

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
names = st.sampled_from(
    [
        *(
            "spec",
            "metadata",
            "status",
            "name",
            "replicas",
            "image",
            "config",
            "jvm",
            "flags",
            "storage",
            "size",
            "pod",
        ),
        *("labels", "zookeeper", "path", "hosts", "clusterRef", "keys", "include", "rollout", "conditions", "type"),
    ]
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)
objects = st.dictionaries(names, anything, max_size=4)
configs = st.dictionaries(st.sampled_from(sorted(ALLOWED)) | st.text(max_size=30), st.text(max_size=12), max_size=5)


def cluster(spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "main"}, "spec": spec}


@unhurried
@given(raw=objects)
def test_any_object_is_typed_or_explained_and_never_raises(raw: dict[str, Any]) -> None:
    for model in (ZooKeeperCluster, ConfigSync):
        for parsed in (parse(model, raw), parse_strict(model, raw)):
            if isinstance(parsed, tuple):
                assert parsed
                assert all(error.path and error.message for error in parsed)


@unhurried
@given(spec=objects)
def test_parsing_what_was_parsed_changes_nothing(spec: dict[str, Any]) -> None:
    parsed = parse(ZooKeeperCluster, cluster(spec))
    if isinstance(parsed, ZooKeeperCluster):
        assert parse(ZooKeeperCluster, cluster(parsed.spec.manifest())) == parse(ZooKeeperCluster, cluster(spec))


@unhurried
@given(config=configs)
def test_an_accepted_config_is_one_line_an_entry_of_allowed_keys(config: dict[str, str]) -> None:
    parsed = parse(ZooKeeperCluster, cluster({"config": config}))
    if isinstance(parsed, ZooKeeperCluster):
        lines = "\n".join(f"{key}={value}" for key, value in parsed.spec.config.items()).splitlines()
        assert len(lines) == len(config)
        assert all(line.partition("=")[0] in ALLOWED for line in lines)


@unhurried
@given(config=configs)
def test_a_config_is_accepted_only_if_each_entry_would_be_alone(config: dict[str, str]) -> None:
    parsed = parse(ZooKeeperCluster, cluster({"config": config}))
    alone = all(refusal(key) is None and value_error(key, value) is None for key, value in config.items())
    assert alone or isinstance(parsed, tuple)


flag_parts = st.tuples(st.sampled_from(["-XX:G1", "-Xss", "-Xlog:gc", "-Xmx", ""]), st.text(max_size=6))


@unhurried
@given(flags=st.lists(flag_parts, max_size=4))
def test_an_accepted_flag_is_one_word_to_any_shell(flags: list[tuple[str, str]]) -> None:
    words = [head + tail for head, tail in flags]
    parsed = parse(ZooKeeperCluster, cluster({"jvm": {"flags": words}}))
    if isinstance(parsed, ZooKeeperCluster):
        assert all(re.fullmatch(CHARACTERS, word) for word in words)
        assert not any(word.startswith(("-Xmx", "-D")) for word in words)


segments = st.text(alphabet=st.sampled_from("ab./-_ é\u0085\n\x7f\ue000"), max_size=6)


@unhurried
@given(parts=st.lists(segments, max_size=4))
def test_an_accepted_path_stays_below_its_root_however_it_is_read(parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    source = {"hosts": "a:2181", "path": path}
    parsed = parse(ConfigSync, {"metadata": {"name": "s"}, "spec": {"zookeeper": source}})
    if isinstance(parsed, ConfigSync):
        names_in_path = path.split("/")[1:]
        assert path == "/" + "/".join(names_in_path)
        assert not {"", ".", ".."} & set(names_in_path)
        assert path.isprintable()
