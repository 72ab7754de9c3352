"""A Kubernetes API in memory behind the commands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.fakes.kube_texts import KubeWithTexts
from tests.support.models.members import CLUSTER, NAMESPACE, cluster, pod
from zkoperator.cli.commands import approve, logs, recover, report, resolve, restart
from zkoperator.cli.view import waiting
from zkoperator.kube.port import PODS, ZOOKEEPER_CLUSTERS


@pytest.fixture
def kube(monkeypatch: pytest.MonkeyPatch) -> KubeWithTexts:
    """An API server with nothing on it, which is what the commands connect to."""
    made = KubeWithTexts()

    @asynccontextmanager
    async def connect(_: Any) -> AsyncIterator[KubeWithTexts]:
        yield made

    for command in (approve, logs, recover, report, resolve, restart):
        monkeypatch.setattr(command, "connect", connect)
    monkeypatch.setattr(waiting, "_EVERY_S", 0.01)
    return made


@pytest.fixture
def ensemble(kube: KubeWithTexts) -> KubeWithTexts:
    """The same with an ensemble of three that is ready."""
    kube.put(ZOOKEEPER_CLUSTERS, cluster())
    for ordinal in (2, 0, 1):
        kube.put(PODS, pod(f"{CLUSTER}-zk-{ordinal}"))
    assert NAMESPACE
    return kube
