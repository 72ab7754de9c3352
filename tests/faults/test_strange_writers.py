"""People and their tools replace, delete, create and rename what a ConfigSync works with, all by kubectl."""

import asyncio
import json
import re
import shlex
import subprocess
from dataclasses import dataclass

import pytest

from testbed.api import ApiServer
from tests.support.faults.crash import quiet
from tests.support.machines.api_client import Manifest
from tests.support.machines.operator import OperatorProcess
from tests.support.waiting import eventually
from tests.support.worlds.following import Following
from tests.support.worlds.site import Plot, Site
from tests.support.worlds.sync_user import DEPLOYMENT, data_is, edit, template_hash, znodes_are

pytestmark = pytest.mark.timeout(420)
WITHIN_S = 90
WIDE = {"maxKeys": 50, "maxPercent": 100}


@dataclass(frozen=True)
class Person:
    """Somebody with kubectl, who keeps manifests in files and does what messages say."""

    server: ApiServer
    plot: Plot

    async def kubectl(self, *arguments: str, given: Manifest | None = None) -> str:
        return await asyncio.to_thread(self._run, arguments, json.dumps(given) if given is not None else None)

    def _run(self, arguments: tuple[str, ...], text: str | None) -> str:
        command = [str(self.server.kubectl), f"--kubeconfig={self.server.kubeconfig}", f"-n={self.plot.namespace}"]
        done = subprocess.run([*command, *arguments], input=text, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    async def obeys(self, message: str) -> None:
        """Run the command that a message shows."""
        found = re.search(r"\bkubectl ([^;]+)", message)
        assert found is not None, message
        await self.kubectl(*shlex.split(found[1]))


def config_map(**data: str) -> Manifest:
    """The ConfigMap as a file has it: with the label, and without any annotation of the operator."""
    meta = {"name": "shop", "labels": {"zkoperator.dev/sync": "shop"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


async def says(plot: Plot, reason: str, name: str = "shop") -> str:
    """Wait until Ready has this reason for the newest spec; return its message."""

    async def told() -> str:
        sync = await plot.site.kube.get(f"{plot.custom}/configsyncs/{name}")
        conditions = sync.get("status", {}).get("conditions", ())
        ready: Manifest = next((each for each in conditions if each["type"] == "Ready"), {})
        assert ready.get("reason") == reason and ready["observedGeneration"] == sync["metadata"]["generation"], ready
        return str(ready["message"]) or reason

    return await eventually(told, within_s=WITHIN_S)


async def test_a_config_map_that_is_replaced_or_made_again_is_an_edit(
    following: Following, api_server: ApiServer
) -> None:
    async with following(direction="TwoWay", deletionGuard=WIDE) as (plot, _):
        person = Person(api_server, plot)
        await plot.put(size="1", weight="1")
        await data_is(plot, {"color": "red", "size": "1", "weight": "1"}, within_s=WITHIN_S)
        await says(plot, "InSync")
        for how, value, gone in ((("replace",), "green", "size"), (("replace", "--force"), "blue", "weight")):
            kept = {key: text for key, text in (await plot.data()).items() if key != gone}
            edited = kept | {"color": value, f"new-{value}": "1"}
            await person.kubectl(*how, "-f", "-", given=config_map(**edited))
            await znodes_are(plot, edited, within_s=WITHIN_S)
            await says(plot, "InSync")
            assert await plot.data() == edited
        await person.kubectl("delete", "configmap", "shop")
        await person.kubectl(
            "create", "-f", "-", given=config_map(color="white", **{"new-blue": "1", "new-green": "1"})
        )
        await znodes_are(plot, {"color": "white", "new-blue": "1", "new-green": "1"}, within_s=WITHIN_S)
        await says(plot, "InSync")


async def restarts_since(plot: Plot, before: str) -> str:
    """Wait for a mark in the template of the Deployment that is another one; return it."""
    return await eventually(lambda: template_hash(plot, before), within_s=WITHIN_S)


async def is_up_to_date(plot: Plot, settled: str) -> None:
    """Wait until the status says of the Deployment that is there now that it runs with this content."""

    async def told() -> bool:
        deployment = await plot.site.kube.get(f"/apis/apps/v1/namespaces/{plot.namespace}/deployments/shop")
        status = (await plot.site.kube.get(f"{plot.custom}/configsyncs/shop"))["status"]
        found = [(entry["uid"], entry["hash"]) for entry in status.get("rollouts", ())]
        assert found == [(deployment["metadata"]["uid"], settled or status["content"]["hash"])], status
        return True

    await eventually(told, within_s=WITHIN_S)


async def is_missed(plot: Plot) -> bool:
    return await plot.condition("RolledOut") == ("False", "WorkloadNotFound")


async def started_again(operator: OperatorProcess) -> None:
    operator.kill()
    await operator.start().ready(within_s=WITHIN_S)


async def test_a_workload_that_is_replaced_or_made_again_is_not_restarted_for_nothing(
    site: Site, following: Following, api_server: ApiServer
) -> None:
    async with following(rollout=[{"kind": "Deployment", "name": "shop"}]) as (plot, operator):
        person = Person(api_server, plot)
        await eventually(lambda: is_missed(plot), within_s=WITHIN_S)
        await person.kubectl("create", "-f", "-", given=DEPLOYMENT)
        await is_up_to_date(plot, "")
        assert await template_hash(plot, "") == "", "it was made after its configuration"
        await plot.put(color="green")
        settled = await restarts_since(plot, "")
        await is_up_to_date(plot, settled)
        await person.kubectl("replace", "-f", "-", given=DEPLOYMENT)
        await started_again(operator)
        await person.kubectl("replace", "-f", "-", given=DEPLOYMENT)
        await quiet(site)
        assert await template_hash(plot, "") == "", "it was replaced, and runs with the content already"
        await person.kubectl("replace", "--force", "-f", "-", given=DEPLOYMENT)
        await started_again(operator)
        await quiet(site)
        assert await template_hash(plot, "") == "", "it was made again, after its configuration"
        await plot.put(color="blue")
        await is_up_to_date(plot, await restarts_since(plot, ""))


async def test_a_config_sync_is_renamed_or_pointed_elsewhere_by_what_its_messages_say(
    following: Following, api_server: ApiServer
) -> None:
    async with following(direction="TwoWay", deletionGuard=WIDE) as (plot, _):
        person = Person(api_server, plot)
        await person.kubectl("delete", "zksync", "shop")
        await plot.sync("store", direction="TwoWay", deletionGuard=WIDE, configMap={"name": "shop"})
        await person.obeys(await says(plot, "TargetOwned", "store"))
        await says(plot, "InSync", "store")
        await plot.put(size="1")
        await data_is(plot, {"color": "red", "size": "1"}, within_s=WITHIN_S)
        await edit(plot, size=None)
        await znodes_are(plot, {"color": "red"}, within_s=WITHIN_S)
        await person.kubectl("delete", "zksync", "store")
        await plot.put(other="")
        await plot.put(other__shape="round")
        elsewhere = {"path": f"{plot.root}/other"}
        await plot.sync("store", direction="TwoWay", configMap={"name": "shop"}, zookeeper=elsewhere)
        message = await says(plot, "TargetNotAdopted", "store")
        await znodes_are(plot, {"color": "red", "other/shape": "round"})
        assert await plot.data() == {"color": "red"}, "nothing of one tree is in the other"
        await person.obeys(message)
        await znodes_are(plot, {"color": "red", "other/color": "red", "other/shape": "round"}, within_s=WITHIN_S)
        await data_is(plot, {"color": "red", "shape": "round"}, within_s=WITHIN_S)
        await says(plot, "InSync", "store")


async def test_a_script_that_deletes_key_by_key_and_an_editor_that_empties_a_config_map_are_asked(
    following: Following, api_server: ApiServer
) -> None:
    async with following(direction="TwoWay") as (plot, _):
        person = Person(api_server, plot)
        keys = {f"k{number:02}": "1" for number in range(40)}
        await plot.put(color=None, **keys)
        await data_is(plot, keys, within_s=WITHIN_S)
        await says(plot, "InSync")
        for number in range(38):
            await edit(plot, **{f"k{number:02}": None})
            if number < 3:
                left = {key: text for key, text in keys.items() if key > f"k{number:02}"}
                await znodes_are(plot, left, within_s=WITHIN_S)
        await says(plot, "DeletionsHeld")
        assert len(await plot.znodes()) >= 40 - 12, "more than the 30 % of the guard are gone, unasked"
        await person.kubectl("patch", "configmap", "shop", "--type=json", '-p=[{"op": "remove", "path": "/data"}]')

        async def is_held() -> str:
            status = (await plot.site.kube.get(f"{plot.custom}/configsyncs/shop"))["status"]
            assert status["pending"]["deletes"] == len(await plot.znodes()) >= 40 - 12, status["pending"]
            return str(status["pending"]["hash"])

        approval = f"zkoperator.dev/approve-deletions={await eventually(is_held, within_s=WITHIN_S)}"
        assert approval in await says(plot, "DeletionsHeld")
        await person.kubectl("annotate", "zksync", "shop", approval)
        await znodes_are(plot, {}, within_s=WITHIN_S)
        await says(plot, "InSync")
