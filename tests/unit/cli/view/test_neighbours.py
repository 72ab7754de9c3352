"""What objects of one input do to one another."""

import textwrap

import pytest

from zkoperator.cli.view.findings import Finding
from zkoperator.cli.view.manifests import documents
from zkoperator.cli.view.neighbours import shared_findings

HEAD = "apiVersion: zkoperator.dev/v1alpha1\nkind: {kind}\nmetadata: {meta}\nspec: {spec}\n"


def sync(name: str, path: str = "/shop", namespace: str = "", **more: str) -> str:
    side = "hosts: " + more.pop("hosts") if "hosts" in more else "clusterRef: {name: main}"
    others = "".join(f", {field}: {value}" for field, value in more.items())
    return _object("ConfigSync", name, namespace, f"{{zookeeper: {{{side}, path: {path}}}{others}}}")


def cluster(namespace: str = "", name: str = "main") -> str:
    return _object("ZooKeeperCluster", name, namespace, "{}")


def backup(namespace: str = "") -> str:
    storage = "{volumeClaim: {claimName: a}}"
    return _object("ZooKeeperBackup", "b", namespace, f"{{clusterRef: {{name: main}}, storage: {storage}}}")


def znode(name: str, path: str = "", namespace: str = "", ref: str = "{name: main}") -> str:
    return _object("ZNode", name, namespace, f"{{clusterRef: {ref}" + (f", path: {path}" if path else "") + "}")


def _object(kind: str, name: str, namespace: str, spec: str) -> str:
    meta = f"{{name: {name}" + (f", namespace: {namespace}" if namespace else "") + "}"
    return HEAD.format(kind=kind, meta=meta, spec=spec)


def found(*texts: str, namespace: str = "", apart: bool = False) -> list[Finding]:
    files = [documents(text, f"{number}.yaml") for number, text in enumerate(texts)]
    together = documents("---\n".join(texts), "all.yaml")
    read = [document for file in files for document in file] if apart else together
    return list(shared_findings(read, namespace))


def fields(*texts: str, namespace: str = "", apart: bool = False) -> list[str]:
    return [item.field for item in found(*texts, namespace=namespace, apart=apart)]


def test_a_cluster_that_is_in_another_namespace_only_is_found_with_the_way_to_name_it() -> None:
    for here, there, way in (
        (sync("a", namespace="shop"), sync("a", namespace="data"), "clusterRef.namespace: data, whose spec.grants"),
        (backup("shop"), backup("data"), "hosts: main-zk.data.svc:2181"),
        (znode("a", namespace="shop"), znode("a", namespace="data"), "clusterRef.namespace: data, whose spec.grants"),
    ):
        (one,) = found(cluster("data"), here)
        assert one.field.endswith("clusterRef.name") and way in one.message and one.line == 9
        assert fields(cluster("data"), there) == fields(cluster("data"), cluster("shop"), here) == fields(here) == []


def test_a_cluster_that_is_named_with_its_namespace_is_looked_for_there() -> None:
    named = sync("a", namespace="shop").replace("{name: main}", "{name: main, namespace: data}")
    assert fields(cluster("data"), named) == []
    assert fields(cluster("shop"), named) == ["spec.zookeeper.clusterRef.name"]
    twice = named.replace("name: a,", "name: b,").replace("namespace: shop", "namespace: other")
    assert fields(cluster("data"), named, twice) == ["spec.zookeeper.path"]


def test_an_object_without_a_namespace_is_where_it_fits_unless_the_namespace_is_given() -> None:
    assert fields(cluster("data"), sync("a")) == fields(cluster(), sync("a", namespace="shop")) == []
    assert fields(cluster("data"), sync("a"), namespace="shop") == ["spec.zookeeper.clusterRef.name"]
    assert fields(cluster(), sync("a", namespace="data"), namespace="data") == []


@pytest.mark.parametrize(
    ("one", "other", "is_wrong"),
    [
        (sync("a"), sync("b"), True),
        (sync("a"), sync("b", "/shop/deep/er"), True),
        (sync("a", "/shop/deep"), sync("b"), True),
        (sync("a"), sync("b", direction="ConfigMapToZooKeeper"), True),
        (sync("a"), sync("b", "/shopping"), False),
        (sync("a"), sync("b", direction="ZooKeeperToConfigMap"), False),
        (sync("a"), sync("b", mode="Paused"), False),
        (sync("a", namespace="x"), sync("b", namespace="y"), False),
        (sync("a", hosts="'zk-1,zk-2'"), sync("b", hosts="'zk-2,zk-1'", namespace="y"), True),
        (sync("a", hosts="zk-1"), sync("b", hosts="zk-2"), False),
    ],
)
def test_two_that_push_to_one_tree_are_found_and_named(one: str, other: str, is_wrong: bool) -> None:
    wrong = [item for item in found(one, other, apart=True) if item.field == "spec.zookeeper.path"]
    assert len(wrong) == is_wrong
    for item in wrong:
        assert "only one of them can push" in item.message and ".yaml:1)" in item.message


_OF_DATA = "{name: main, namespace: data}"


@pytest.mark.parametrize(
    ("one", "other", "is_wrong"),
    [
        (znode("a", "/shop"), znode("b", "/shop"), True),
        (znode("a", "/shop/deep"), znode("b", "/shop"), True),
        (znode("a", "/shop"), znode("b", "/shopping"), False),
        (znode("a"), znode("b"), False),
        (znode("a", "/shop", "x"), znode("b", "/shop", "y"), False),
        (znode("a", "/shop", "x", _OF_DATA), znode("b", "/shop", "y", _OF_DATA), True),
        (znode("a", "shop"), znode("b", "/shop"), False),
    ],
)
def test_two_znodes_of_one_path_are_found_and_named(one: str, other: str, is_wrong: bool) -> None:
    wrong = found(one, other, apart=True)
    assert [item.field for item in wrong] == ["spec.path"] * is_wrong
    assert all("ZNode a (0.yaml:1) has /shop" in item.message for item in wrong)


def test_two_with_one_config_map_are_found_and_named() -> None:
    second = sync("b", "/other", configMap="{name: a}")
    (one,) = found(sync("a"), second, apart=True)
    assert one.field == "spec.configMap.name" and "ConfigSync a (0.yaml:1) has ConfigMap a already" in one.message
    assert fields(sync("a", namespace="x"), sync("b", "/other", "y", configMap="{name: a}")) == []


def test_a_base_and_its_variants_are_one_object_and_a_file_that_has_it_twice_is_wrong() -> None:
    assert fields(sync("a"), sync("a", mode="DryRun"), cluster(), cluster(), apart=True) == []
    twice = found(sync("a"), cluster(), sync("a"))
    assert [(item.field, item.line) for item in twice] == [("metadata.name", 13)]
    assert "is on line 1 of the same file too" in twice[0].message


def test_an_object_that_is_wrong_by_itself_does_not_hide_the_others() -> None:
    broken = textwrap.dedent(sync("c")).replace("path: /shop", "path: shop")
    assert fields(broken, sync("a"), sync("b"), HEAD.format(kind="ConfigSync", meta="5", spec="{}")) == [
        "spec.zookeeper.path"
    ]
