"""The templates of the page for those who come from confd give the files that their applications read."""

import re
from pathlib import Path

import pytest

from zkoperator.templates.port import Failure, Job, Rendered
from zkoperator.templates.sandbox import render

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "howto-confd.md").read_text()
NGINX, HAPROXY, PROPERTIES = re.findall(r"^```jinja\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def rendered(template: str, tree: dict[str, str]) -> str:
    answer = render(Job({"f": template}, {path: text.encode() for path, text in tree.items()}), 1_000_000)
    assert isinstance(answer, Rendered), answer
    return answer.files["f"].decode()


def test_nginx_has_the_servers_of_its_upstream() -> None:
    found = rendered(NGINX, {"upstreams/b": "10.0.0.2:80", "upstreams/a": "10.0.0.1:80", "nginx/port": "8080"})
    assert found == (
        "upstream shop {\n"
        "  least_conn;\n"
        "  server 10.0.0.1:80 max_fails=3;  # a\n"
        "  server 10.0.0.2:80 max_fails=3;  # b\n"
        "}\n"
        "server {\n"
        "  listen 8080;\n"
        "  location / { proxy_pass http://shop; }\n"
        "}\n"
    )


def test_nginx_without_servers_has_a_configuration_that_it_takes() -> None:
    found = rendered(NGINX, {})
    assert "  server 127.0.0.1:9 down;\n}" in found and "listen 80;" in found


def test_haproxy_has_a_backend_for_each_service() -> None:
    found = rendered(
        HAPROXY,
        {
            "haproxy/maxconn": "100",
            "services/web/balance": "leastconn",
            "services/web/servers/w1": '{"host": "10.0.0.1", "port": 80}',
            "services/api/servers/a1": '{"host": "10.0.1.1", "port": 8080, "maxconn": 20}',
            "services/api/servers/a2": '{"host": "10.0.1.2", "port": 8080}',
        },
    )
    assert found == (
        "backend api\n"
        "  balance roundrobin\n"
        "  server a1 10.0.1.1:8080 check maxconn 20\n"
        "  server a2 10.0.1.2:8080 check maxconn 100\n"
        "\n"
        "backend web\n"
        "  balance leastconn\n"
        "  server w1 10.0.0.1:80 check maxconn 100\n"
        "\n"
    )


TREE = {
    "region": "eu",
    "defaults/pool": "20",
    "defaults/url": "jdbc:postgresql://db/shop",
    "regions/eu/pool": "50",
    "flags": '["dark", "beta"]',
    "greeting": "R3LDvMOfZQ==",
}


def test_an_application_has_its_defaults_and_what_is_set_for_its_place() -> None:
    assert rendered(PROPERTIES, TREE) == (
        "app.region=eu\n"
        "app.pool=50\n"
        "app.url=jdbc:postgresql://db/shop\n"
        "app.flags=beta,dark\n"
        "app.greeting=Gr\u00fc\u00dfe\n"
    )


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"defaults/pool": "501"}, "a pool of more than 500 connections"),
        ({"flags": "dark"}, "json: the text is no JSON"),
        ({"region": None}, "znode '/region' does not exist"),
    ],
)
def test_what_must_not_be_written_fails_and_says_why(changed: dict[str, str | None], says: str) -> None:
    tree = {path: text.encode() for path, text in {**TREE, **changed}.items() if text is not None}
    answer = render(Job({"f": PROPERTIES}, tree), 1_000_000)
    assert isinstance(answer, Failure) and says in answer.message


def test_every_function_that_the_page_names_is_there() -> None:
    from zkoperator.templates.sandbox import environment_of
    from zkoperator.templates.tree import Tree

    known = environment_of(Tree({})).globals
    names = set(re.findall(r"(?<![\w.|(])([a-zA-Z0-9]+)\('/", PAGE + (ROOT / "docs/howto-templates.md").read_text()))
    assert {"getv", "gets", "ls", "tree", "base"} <= names
    assert names <= known.keys() | {"sort"}
