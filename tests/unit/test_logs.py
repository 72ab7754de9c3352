import json
import logging

from zkoperator.logs import JsonFormatter, TextFormatter, about


def record(**more: object) -> logging.LogRecord:
    made = logging.LogRecord("zkoperator.test", logging.INFO, "f.py", 1, "leader changed", None, None)
    made.created = 1_767_323_045.678
    made.__dict__.update(about("ZooKeeperCluster", "demo", "main", **more))
    return made


def test_a_text_line_names_its_object_and_fields() -> None:
    line = TextFormatter().format(record(leader="main-zk-1"))
    assert line == "2026-01-02T03:04:05.678Z INFO ZooKeeperCluster demo/main: leader changed (leader=main-zk-1)"


def test_a_json_line_carries_kind_namespace_and_name() -> None:
    line = json.loads(JsonFormatter().format(record()))
    assert {k: line[k] for k in ("kind", "namespace", "name", "message", "level")} == {
        "kind": "ZooKeeperCluster",
        "namespace": "demo",
        "name": "main",
        "message": "leader changed",
        "level": "info",
    }


def test_a_line_without_an_object_is_a_line() -> None:
    plain = logging.LogRecord("zkoperator.app", logging.WARNING, "f.py", 1, "starting", None, None)
    assert TextFormatter().format(plain).endswith(" WARNING starting")
