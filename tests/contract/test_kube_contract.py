"""What every `KubeApi` does: the one on HTTP against a real API server, and the one in memory."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.worlds.kube_contract import WIDGETS, KubeWorld, config_map, data_of, fake_world, real_world, widget
from zkoperator.errors import ConflictError, InvalidError
from zkoperator.kube.port import (
    CONFIG_MAPS,
    EVENTS,
    SECRETS,
    STATEFUL_SETS,
    Manifest,
    NoSuchKindError,
    Resource,
)

GADGETS = Resource("contract.zkoperator.dev", "v1", "Gadget", "gadgets")
SECRET = "hunter2"


@pytest.fixture(params=["memory", "server"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[KubeWorld]:
    if request.param == "memory":
        async with fake_world() as found:
            yield found
    else:
        server, namespace = request.getfixturevalue("api_server"), request.getfixturevalue("namespace")
        async with real_world(server, namespace) as found:
            yield found


def event_about(name: str, about: str, reason: str, namespace: str) -> Manifest:
    regarding = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": about, "namespace": namespace}
    reporter = {"reportingController": "test.dev/test", "reportingInstance": "test", "action": "Create"}
    when = {"eventTime": "2026-01-02T03:04:05.000000Z"}
    return {"metadata": {"name": name}, "regarding": regarding, "reason": reason, "type": "Warning", **reporter, **when}


class TestReading:
    async def test_an_object_is_read_back_as_it_was_created(self, world: KubeWorld) -> None:
        created = await world.api.create(CONFIG_MAPS, world.namespace, config_map())
        found = await world.api.get(CONFIG_MAPS, world.namespace, "shop")
        assert found == created
        assert found["data"] == {"colour": "red"}
        assert found["metadata"]["namespace"] == world.namespace
        assert found["metadata"]["uid"]
        assert (found["apiVersion"], found["kind"]) == ("v1", "ConfigMap")

    async def test_a_missing_object_is_none(self, world: KubeWorld) -> None:
        assert await world.api.get(CONFIG_MAPS, world.namespace, "nobody") is None

    async def test_a_kind_that_is_not_installed_is_told_from_a_missing_object(self, world: KubeWorld) -> None:
        with pytest.raises(NoSuchKindError, match=r"gadgets"):
            await world.api.get(GADGETS, world.namespace, "one")
        with pytest.raises(NoSuchKindError, match=r"gadgets"):
            await world.api.list(GADGETS, world.namespace)

    async def test_listed_objects_say_what_they_are(self, world: KubeWorld) -> None:
        await world.api.create(CONFIG_MAPS, world.namespace, config_map())
        listing = await world.api.list(CONFIG_MAPS, world.namespace)
        shop = next(item for item in listing.items if item["metadata"]["name"] == "shop")
        assert (shop["apiVersion"], shop["kind"]) == ("v1", "ConfigMap")

    async def test_events_are_selected_by_what_they_are_about_and_by_their_reason(self, world: KubeWorld) -> None:
        for name, about, reason in (
            ("a", "main-zk", "FailedCreate"),
            ("b", "main-zk", "Created"),
            ("c", "x", "FailedCreate"),
        ):
            await world.api.create(EVENTS, world.namespace, event_about(name, about, reason, world.namespace))
        fields = "regarding.kind=StatefulSet,regarding.name=main-zk,reason=FailedCreate"
        listing = await world.api.list(EVENTS, world.namespace, fields=fields)
        assert [item["metadata"]["name"] for item in listing.items] == ["a"]

    async def test_a_list_of_all_namespaces_holds_ours(self, world: KubeWorld) -> None:
        await world.api.create(CONFIG_MAPS, world.namespace, config_map())
        listing = await world.api.list(CONFIG_MAPS)
        found = {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in listing.items}
        assert (world.namespace, "shop") in found

    @pytest.mark.parametrize(
        ("selector", "names"),
        [
            ("app=a", {"one"}),
            ("app!=a", {"two", "three"}),
            ("app", {"one", "two"}),
            ("!app", {"three"}),
            ("app in (a, b),tier=x", {"one"}),
            ("app notin (a)", {"two", "three"}),
        ],
    )
    async def test_labels_select(self, world: KubeWorld, selector: str, names: set[str]) -> None:
        for name, labels in (
            ("one", {"app": "a", "tier": "x"}),
            ("two", {"app": "b", "tier": "y"}),
            ("three", {"tier": "z"}),
        ):
            await world.api.create(
                WIDGETS, world.namespace, widget(name) | {"metadata": {"name": name, "labels": labels}}
            )
        listing = await world.api.list(WIDGETS, world.namespace, labels=selector)
        assert {item["metadata"]["name"] for item in listing.items} == names


class TestCreating:
    async def test_a_taken_name_is_a_conflict(self, world: KubeWorld) -> None:
        await world.api.create(CONFIG_MAPS, world.namespace, config_map())
        with pytest.raises(ConflictError):
            await world.api.create(CONFIG_MAPS, world.namespace, config_map(data={"colour": "blue"}))
        assert await data_of(world) == {"colour": "red"}

    async def test_the_secret_stores_plain_strings_encoded(self, world: KubeWorld) -> None:
        manifest = {"metadata": {"name": "admin"}, "stringData": {"password": SECRET}}
        await world.api.create(SECRETS, world.namespace, manifest)
        found = await world.api.get(SECRETS, world.namespace, "admin")
        assert found is not None
        assert found["data"] == {"password": base64.b64encode(SECRET.encode()).decode()}
        assert "stringData" not in found

    @pytest.mark.parametrize(
        ("type_", "data", "field"),
        [
            ("kubernetes.io/tls", {"tls.crt": SECRET}, "data[tls.key]"),
            ("kubernetes.io/basic-auth", {"other": SECRET}, "data[username]"),
            ("kubernetes.io/ssh-auth", {}, "data[ssh-privatekey]"),
            ("kubernetes.io/dockerconfigjson", {}, "data[.dockerconfigjson]"),
            ("kubernetes.io/dockerconfigjson", {".dockerconfigjson": SECRET}, "data[.dockerconfigjson]"),
            ("kubernetes.io/dockercfg", {}, "data[.dockercfg]"),
        ],
    )
    async def test_a_type_of_secrets_asks_for_its_keys(
        self, world: KubeWorld, type_: str, data: dict[str, str], field: str
    ) -> None:
        manifest = {"metadata": {"name": "shop"}, "type": type_, "stringData": data}
        with pytest.raises(InvalidError) as refused:
            await world.api.create(SECRETS, world.namespace, manifest)
        assert field in {error.path for error in refused.value.errors}
        assert SECRET not in str(refused.value)

    async def test_a_secret_is_opaque_by_default_and_its_type_never_changes(self, world: KubeWorld) -> None:
        made = await world.api.create(SECRETS, world.namespace, {"metadata": {"name": "shop"}})
        assert made["type"] == "Opaque"
        with pytest.raises(InvalidError):
            await world.api.patch(SECRETS, world.namespace, "shop", {"type": "example.com/other"})

    async def test_a_key_that_the_type_needs_cannot_be_taken_away(self, world: KubeWorld) -> None:
        pair = {"tls.crt": "a", "tls.key": "b"}
        manifest = {"metadata": {"name": "shop"}, "type": "kubernetes.io/tls", "stringData": pair}
        await world.api.create(SECRETS, world.namespace, manifest)
        with pytest.raises(InvalidError):
            await world.api.patch(SECRETS, world.namespace, "shop", {"data": {"tls.key": None}})

    @pytest.mark.parametrize(
        ("manifest", "field"),
        [
            (config_map(data={"no spaces": SECRET}), "data[no spaces]"),
            (config_map(data={"..": SECRET}), "data[..]"),
            (config_map(name="Shop"), "metadata.name"),
            (config_map(annotations={"note": SECRET * 40_000}), "metadata.annotations"),
            (config_map() | {"binaryData": {"colour": "AAAA"}}, "data[colour]"),
        ],
    )
    async def test_a_bad_object_is_refused_by_the_name_of_its_field_and_without_its_value(
        self, world: KubeWorld, manifest: Manifest, field: str
    ) -> None:
        with pytest.raises(InvalidError) as refused:
            await world.api.create(CONFIG_MAPS, world.namespace, manifest)
        assert field in {error.path for error in refused.value.errors}
        assert SECRET not in str(refused.value)
        assert all(error.message for error in refused.value.errors)

    async def test_the_largest_config_map_fits_and_one_byte_more_does_not(self, world: KubeWorld) -> None:
        limit = 1024 * 1024
        await world.api.create(CONFIG_MAPS, world.namespace, config_map(data={"a": "x" * limit}))
        with pytest.raises(InvalidError):
            await world.api.create(CONFIG_MAPS, world.namespace, config_map("more", {"a": "x" * limit, "b": "x"}))

    async def test_the_namespace_of_the_manifest_must_be_that_of_the_request(self, world: KubeWorld) -> None:
        with pytest.raises(InvalidError):
            await world.api.create(CONFIG_MAPS, world.namespace, config_map(namespace="elsewhere"))


class TestApplying:
    async def apply(self, world: KubeWorld, data: dict[str, str], **metadata: Any) -> Manifest:
        return await world.api.apply(CONFIG_MAPS, world.namespace, config_map(data=data, **metadata))

    async def test_apply_creates_what_is_missing(self, world: KubeWorld) -> None:
        applied = await self.apply(world, {"colour": "red"})
        assert await world.api.get(CONFIG_MAPS, world.namespace, "shop") == applied

    async def test_applying_the_same_again_makes_no_new_version(self, world: KubeWorld) -> None:
        first = await self.apply(world, {"colour": "red"}, labels={"app": "shop"})
        again = await self.apply(world, {"colour": "red"}, labels={"app": "shop"})
        assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]

    async def test_a_field_that_is_not_applied_any_more_is_removed(self, world: KubeWorld) -> None:
        await self.apply(world, {"colour": "red", "size": "9"}, labels={"app": "shop", "old": "yes"})
        applied = await self.apply(world, {"colour": "red"}, labels={"app": "shop"})
        assert applied["data"] == {"colour": "red"}
        assert applied["metadata"]["labels"] == {"app": "shop"}

    async def test_a_map_is_filled_and_emptied_again(self, world: KubeWorld) -> None:
        for data in ({}, {"colour": "red"}, {}):
            applied = await self.apply(world, data)
            assert applied.get("data", {}) == data

    async def test_foreign_fields_are_kept(self, world: KubeWorld) -> None:
        await self.apply(world, {"colour": "red"})
        await world.edit(CONFIG_MAPS, "shop", {"data": {"theirs": "1"}, "metadata": {"annotations": {"who": "them"}}})
        applied = await self.apply(world, {"colour": "blue"})
        assert applied["data"] == {"colour": "blue", "theirs": "1"}
        assert applied["metadata"]["annotations"] == {"who": "them"}

    async def test_a_foreign_change_of_our_field_is_overwritten(self, world: KubeWorld) -> None:
        await self.apply(world, {"colour": "red"})
        await world.edit(CONFIG_MAPS, "shop", {"data": {"colour": "green"}})
        assert (await self.apply(world, {"colour": "red"}))["data"] == {"colour": "red"}

    async def test_a_field_that_somebody_else_took_over_is_left_to_them(self, world: KubeWorld) -> None:
        await self.apply(world, {"colour": "red", "size": "9"})
        await world.edit(CONFIG_MAPS, "shop", {"data": {"size": "10"}})
        assert (await self.apply(world, {"colour": "red"}))["data"] == {"colour": "red", "size": "10"}

    async def test_a_field_that_we_created_before_applying_is_kept(self, world: KubeWorld) -> None:
        await world.api.create(CONFIG_MAPS, world.namespace, config_map(data={"created": "1"}))
        assert (await self.apply(world, {"colour": "red"}))["data"] == {"created": "1", "colour": "red"}

    async def test_the_managers_of_fields_are_told(self, world: KubeWorld) -> None:
        await self.apply(world, {"colour": "red"})
        await world.edit(CONFIG_MAPS, "shop", {"data": {"theirs": "1"}})
        found = await world.api.get(CONFIG_MAPS, world.namespace, "shop")
        assert found is not None
        owned = {
            (entry["manager"], entry["operation"]): set(entry["fieldsV1"].get("f:data", {})) - {"."}
            for entry in found["metadata"]["managedFields"]
        }
        assert owned[("zkoperator", "Apply")] == {"f:colour"}
        assert owned[("kubectl-edit", "Update")] == {"f:theirs"}

    async def test_a_stale_version_is_a_conflict(self, world: KubeWorld) -> None:
        first = await self.apply(world, {"colour": "red"})
        await self.apply(world, {"colour": "blue"})
        with pytest.raises(ConflictError):
            await self.apply(world, {"colour": "pink"}, resourceVersion=first["metadata"]["resourceVersion"])
        assert await data_of(world) == {"colour": "blue"}

    async def test_the_right_version_and_uid_pass(self, world: KubeWorld) -> None:
        first = await self.apply(world, {"colour": "red"})
        known = {name: first["metadata"][name] for name in ("resourceVersion", "uid")}
        assert (await self.apply(world, {"colour": "blue"}, **known))["data"] == {"colour": "blue"}

    async def test_another_uid_is_a_conflict(self, world: KubeWorld) -> None:
        await self.apply(world, {"colour": "red"})
        with pytest.raises(ConflictError):
            await self.apply(world, {"colour": "pink"}, uid="00000000-0000-0000-0000-000000000000")
        assert await data_of(world) == {"colour": "red"}

    async def test_a_uid_creates_nothing(self, world: KubeWorld) -> None:
        with pytest.raises(ConflictError):
            await self.apply(world, {"colour": "pink"}, uid="00000000-0000-0000-0000-000000000000")
        assert await data_of(world) is None

    async def test_a_version_without_a_uid_does_not_keep_a_deleted_object_from_being_made_again(
        self, world: KubeWorld
    ) -> None:
        await self.apply(world, {"colour": "pink"}, resourceVersion="1")
        assert await data_of(world) == {"colour": "pink"}

    async def test_a_dry_run_tells_what_would_be_and_changes_nothing(self, world: KubeWorld) -> None:
        await self.apply(world, {"colour": "red"})
        told = await world.api.apply(CONFIG_MAPS, world.namespace, config_map(data={"colour": "blue"}), dry_run=True)
        assert told["data"] == {"colour": "blue"}
        assert await data_of(world) == {"colour": "red"}

    async def test_an_immutable_config_map_keeps_its_data(self, world: KubeWorld) -> None:
        await world.api.apply(CONFIG_MAPS, world.namespace, config_map() | {"immutable": True})
        with pytest.raises(InvalidError):
            await world.api.apply(CONFIG_MAPS, world.namespace, config_map(data={"colour": "x"}) | {"immutable": True})

    async def test_containers_are_merged_by_name(self, world: KubeWorld) -> None:
        await world.api.apply(STATEFUL_SETS, world.namespace, stateful_set(env={"A": "1", "B": "2"}))
        await world.edit(STATEFUL_SETS, "main", {"spec": {"template": {"metadata": {"annotations": {"theirs": "1"}}}}})
        applied = await world.api.apply(STATEFUL_SETS, world.namespace, stateful_set(env={"A": "3"}))
        template = applied["spec"]["template"]
        assert template["spec"]["containers"][0]["env"] == [{"name": "A", "value": "3"}]
        assert template["metadata"]["annotations"] == {"theirs": "1"}


class TestPatching:
    async def patch(self, world: KubeWorld, patch: Manifest, version: str | None = None) -> Manifest | None:
        return await world.api.patch(CONFIG_MAPS, world.namespace, "shop", patch, resource_version=version)

    async def test_null_removes_and_the_rest_stays(self, world: KubeWorld) -> None:
        await world.api.create(CONFIG_MAPS, world.namespace, config_map(data={"colour": "red", "size": "9"}))
        await self.patch(world, {"data": {"colour": None}, "metadata": {"labels": {"app": "shop"}}})
        assert await data_of(world) == {"size": "9"}

    async def test_a_missing_object_is_none(self, world: KubeWorld) -> None:
        assert await self.patch(world, {"data": {"colour": "red"}}) is None

    async def test_the_version_that_was_read_passes(self, world: KubeWorld) -> None:
        created = await world.api.create(CONFIG_MAPS, world.namespace, config_map())
        await self.patch(world, {"data": {"colour": "blue"}}, created["metadata"]["resourceVersion"])
        assert await data_of(world) == {"colour": "blue"}

    async def test_a_stale_version_is_a_conflict(self, world: KubeWorld) -> None:
        created = await world.api.create(CONFIG_MAPS, world.namespace, config_map())
        await world.edit(CONFIG_MAPS, "shop", {"data": {"colour": "green"}})
        with pytest.raises(ConflictError):
            await self.patch(world, {"data": {"colour": "blue"}}, created["metadata"]["resourceVersion"])
        assert await data_of(world) == {"colour": "green"}

    async def test_a_patch_that_changes_nothing_makes_no_new_version(self, world: KubeWorld) -> None:
        created = await world.api.create(CONFIG_MAPS, world.namespace, config_map())
        patched = await self.patch(world, {"data": {"colour": "red"}})
        assert patched is not None
        assert patched["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]


class TestSubresources:
    async def test_the_main_door_does_not_change_status(self, world: KubeWorld) -> None:
        await world.api.create(WIDGETS, world.namespace, widget(size=1) | {"status": {"ready": True}})
        patched = await world.api.patch(WIDGETS, world.namespace, "one", {"status": {"ready": True}})
        assert patched is not None
        assert "status" not in patched

    async def test_the_status_door_changes_nothing_else(self, world: KubeWorld) -> None:
        await world.api.create(WIDGETS, world.namespace, widget(size=1))
        patch = {"spec": {"size": 2}, "status": {"ready": True}}
        patched = await world.api.patch(WIDGETS, world.namespace, "one", patch, subresource="status")
        assert patched is not None
        assert patched["spec"] == {"size": 1}
        assert patched["status"] == {"ready": True}

    async def test_the_status_of_an_object_that_was_replaced_meanwhile_is_a_conflict(self, world: KubeWorld) -> None:
        created = await world.api.create(WIDGETS, world.namespace, widget(size=1))
        await world.api.delete(WIDGETS, world.namespace, "one")
        await world.api.create(WIDGETS, world.namespace, widget(size=1))
        patch, version = {"status": {"ready": True}}, created["metadata"]["resourceVersion"]
        where = WIDGETS, world.namespace, "one"
        with pytest.raises(ConflictError):
            await world.api.patch(*where, patch, resource_version=version, subresource="status")
        found = await world.api.get(*where)
        assert found is not None
        assert "status" not in found

    async def test_an_applied_status_is_replaced_whole_and_leaves_spec_alone(self, world: KubeWorld) -> None:
        await world.api.apply(WIDGETS, world.namespace, widget(size=1))
        for status in ({"ready": True, "zxid": "0x1"}, {"ready": False}):
            manifest = {"metadata": {"name": "one"}, "status": status}
            applied = await world.api.apply(WIDGETS, world.namespace, manifest, subresource="status")
            assert (applied["spec"], applied["status"]) == ({"size": 1}, status)

    async def test_the_generation_counts_changes_of_the_spec_alone(self, world: KubeWorld) -> None:
        created = await world.api.create(WIDGETS, world.namespace, widget(size=1))
        assert created["metadata"]["generation"] == 1
        await world.api.patch(WIDGETS, world.namespace, "one", {"status": {"ready": True}}, subresource="status")
        await world.api.patch(WIDGETS, world.namespace, "one", {"metadata": {"labels": {"a": "b"}}})
        changed = await world.api.patch(WIDGETS, world.namespace, "one", {"spec": {"size": 2}})
        assert changed is not None
        assert changed["metadata"]["generation"] == 2


def stateful_set(env: dict[str, str]) -> Manifest:
    container = {"name": "zookeeper", "image": "none", "env": [{"name": k, "value": v} for k, v in env.items()]}
    return {
        "metadata": {"name": "main"},
        "spec": {
            "replicas": 0,
            "serviceName": "main",
            "selector": {"matchLabels": {"app": "main"}},
            "template": {"metadata": {"labels": {"app": "main"}}, "spec": {"containers": [container]}},
        },
    }
