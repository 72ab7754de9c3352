"""A toy that pulls znodes into ConfigMaps, run in the operator's place to show what the crash driver notices.

`TOY_BUG` seeds a fault: `recreates` (deletes what it finds at its start), `marks` (leaves a mark on what it finds),
`trusts` (takes an existing ConfigMap for a finished one at its start), `raises` (logs a traceback when it finds one).
"""

import os
import time
import traceback
from pathlib import Path
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from testbed.rest import ApiError, Rest

BUG = os.environ.get("TOY_BUG", "")


def main() -> None:
    rest = Rest(Path(os.environ["ZKOPERATOR_KUBECONFIG"]))
    namespace = os.environ["ZKOPERATOR_NAMESPACES"]
    zookeeper = KazooClient(os.environ["ZKOPERATOR_ALLOWED_HOSTS"])
    zookeeper.start(30)
    done: set[str] = set()
    while True:
        for sync in rest("GET", f"/apis/zkoperator.dev/v1alpha1/namespaces/{namespace}/configsyncs")["items"]:
            pull(rest, zookeeper, sync, done)
        time.sleep(0.05)


def pull(rest: Rest, zookeeper: Any, sync: Any, done: set[str]) -> None:
    metadata = sync["metadata"]
    collection = f"/api/v1/namespaces/{metadata['namespace']}/configmaps"
    path = f"{collection}/{metadata['name']}"
    found = find(rest, path)
    if metadata["name"] not in done and found is not None:
        found = meet(rest, path, found, done, metadata["name"])
    done.add(metadata["name"])
    if BUG == "trusts" and path in done:
        return
    root = sync["spec"]["zookeeper"]["path"]
    try:
        data = {child: zookeeper.get(f"{root}/{child}")[0].decode() for child in zookeeper.get_children(root)}
    except NoNodeError:
        return  # deleted between the two reads: the next round sees it
    if found is not None and found.get("data", {}) == data:
        return
    manifest: Any = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": metadata["name"]}, "data": data}
    if BUG == "marks":
        manifest["metadata"]["annotations"] = (found or {"metadata": {}})["metadata"].get("annotations", {})
    if found is None:
        rest("POST", collection, manifest)
    else:
        rest("PUT", path, manifest)


def meet(rest: Rest, path: str, found: Any, done: set[str], name: str) -> Any:
    """What the toy does with a ConfigMap that was there before it."""
    if BUG == "recreates":
        rest("DELETE", path)
        return None
    if BUG == "trusts":
        done.add(path)
    if BUG == "marks":
        found["metadata"]["annotations"] = {"toy": "met"}
        return rest("PUT", path, found)
    if BUG == "raises":
        try:
            raise KeyError(name)
        except KeyError:
            traceback.print_exc()
    return found


def find(rest: Rest, path: str) -> Any:
    try:
        return rest("GET", path)
    except ApiError as error:
        if error.status == 404:
            return None
        raise


main()
