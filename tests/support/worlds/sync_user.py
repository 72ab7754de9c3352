"""A user of the ConfigSync `shop`: edits its ConfigMap, and waits until either side or the status is as expected."""

from tests.support.waiting import eventually
from tests.support.worlds.site import Plot

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "shop"},
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "shop"}},
        "template": {
            "metadata": {"labels": {"app": "shop"}},
            "spec": {"containers": [{"name": "shop", "image": "shop"}]},
        },
    },
}


async def edit(plot: Plot, **data: str | None) -> None:
    """Set or (None) delete keys of the ConfigMap as somebody else."""
    await plot.site.kube.merge(f"{plot.core}/configmaps/shop", {"data": data})


async def data_is(plot: Plot, expected: dict[str, str], *, within_s: float = 30) -> None:
    """Wait until the ConfigMap holds exactly these keys."""

    async def equal() -> bool:
        data = await plot.data()
        data.pop("__root", None)
        assert data == expected, data
        return True

    await eventually(equal, within_s=within_s)


async def znodes_are(plot: Plot, expected: dict[str, str], *, within_s: float = 30) -> None:
    """Wait until the subtree holds exactly these znodes, those that only hold others left out."""

    async def equal() -> bool:
        found = await plot.znodes()
        parents = {path.rpartition("/")[0] for path in found}
        leaves = {path: value for path, value in found.items() if value or path not in parents}
        assert leaves == expected, leaves
        return True

    await eventually(equal, within_s=within_s)


async def ready(plot: Plot, reason: str, *, within_s: float = 30) -> None:
    """Wait until Ready has this reason for the newest spec."""

    async def told() -> bool:
        sync = await plot.site.kube.get(f"{plot.custom}/configsyncs/shop")
        condition = await plot.condition()
        observed = (sync.get("status") or {}).get("observedGeneration")
        assert condition[1] == reason and observed == sync["metadata"]["generation"], condition
        return True

    await eventually(told, within_s=within_s)


async def status_settled(plot: Plot, *, within_s: float = 30) -> None:
    """Wait until the status tells of the state that the ConfigMap has."""

    async def told() -> bool:
        sync = await plot.site.kube.get(f"{plot.custom}/configsyncs/shop")
        config_map = await plot.config_map()
        stamp = (config_map or {})["metadata"]["annotations"]["zkoperator.dev/zxid"]
        return int(sync["status"]["zxid"], 16) >= int(stamp, 16)

    await eventually(told, within_s=within_s)


async def is_recorded(plot: Plot, content: str) -> bool:
    """Whether the status says that the Deployment runs with this content."""
    sync = await plot.site.kube.get(f"{plot.custom}/configsyncs/shop")
    return [entry["hash"] for entry in sync["status"].get("rollouts", [])] == [content]


async def template_hash(plot: Plot, before: str) -> str:
    """The content hash in the pod template, empty until it is another one than before."""
    found = await plot.site.kube.get(f"/apis/apps/v1/namespaces/{plot.namespace}/deployments/shop")
    annotations = found["spec"]["template"]["metadata"].get("annotations") or {}
    value = str(annotations.get("rollout.zkoperator.dev/shop", ""))
    return "" if value == before else value
