"""Objects of each kind with the least that has to be in them."""

from typing import Any

from zkoperator.kube.port import Manifest


def cluster(name: str = "main", **spec: Any) -> Manifest:
    return {"metadata": {"name": name}, "spec": spec}


def sync(name: str = "shop", **spec: Any) -> Manifest:
    return {"metadata": {"name": name}, "spec": {"zookeeper": {"clusterRef": {"name": "a"}, "path": "/a"}, **spec}}


def several(*paths: str) -> dict[str, Any]:
    """The fields that differ in a ConfigSync of several subtrees."""
    sources = [{"path": path} for path in paths]
    side = {"clusterRef": {"name": "a"}, "sources": sources}
    return {"zookeeper": side, "direction": "ZooKeeperToConfigMap"}


def backup(name: str = "main-1", **spec: Any) -> Manifest:
    storage = {"persistentVolumeClaim": {"claimName": "backups"}}
    return {"metadata": {"name": name}, "spec": {"clusterRef": {"name": "main"}, "storage": storage, **spec}}


def schedule(name: str = "hourly", **spec: Any) -> Manifest:
    template = {"storage": {"persistentVolumeClaim": {"claimName": "backups"}}}
    source = {} if "hosts" in spec else {"clusterRef": {"name": "main"}}
    return {"metadata": {"name": name}, "spec": {**source, "schedule": "0 * * * *", "template": template, **spec}}


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    since = "2026-01-01T00:00:00Z"
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}
