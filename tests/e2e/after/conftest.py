"""What tests share that disturb more than a namespace of their own."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Space, kubectl
from tests.support.machines.ensemble_machine import Machine
from tests.support.worlds.ensemble_site import EnsembleSite, behind_proxies

HOME = "zkoperator-system"


@pytest.fixture(scope="session")
def operator_away() -> Iterator[None]:
    """Nobody acts but who the test starts. An operator that is away already is somebody else's to bring back."""
    found = json.loads(kubectl("-n", HOME, "get", "deployment", "zkoperator", "-o", "json"))
    replicas = int(found["spec"]["replicas"])
    if not replicas:
        yield
        return
    scale = ("-n", HOME, "scale", "deployment/zkoperator")
    kubectl(*scale, "--replicas=0")
    try:
        kubectl("-n", HOME, "wait", "pod", "-l", "app.kubernetes.io/name=zkoperator", "--for=delete", "--timeout=120s")
        yield
    finally:
        kubectl(*scale, f"--replicas={replicas}")
        kubectl("-n", HOME, "rollout", "status", "deployment/zkoperator", "--timeout=180s")


@pytest.fixture
async def site(
    space: Space, machine: Machine, operator_away: None, kubeconfig: Path, tmp_path: Path
) -> AsyncIterator[EnsembleSite]:
    """A namespace whose one operator runs here, behind proxies; the redirection of its packets needs this machine."""
    async with behind_proxies(space, kubeconfig, tmp_path) as made:
        yield made
