"""Namespaces on the cluster of KUBECONFIG, and the operator's own numbers as its pods tell them."""

import json
import os
import re
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from tests.e2e.conftest import Space, kubectl
from tests.support.machines.api_client import ApiClient
from tests.support.waiting import eventually

HOME = "zkoperator-system"
_SAMPLE = re.compile(r"^(?P<name>[a-z_]+)(?:\{[^}]*\})? (?P<value>[0-9.e+-]+)$", re.MULTILINE)
_USAGE = (
    "import os; s = open('/proc/1/stat').read().rpartition(')')[2].split(); "
    "m = [l for l in open('/proc/1/status') if l.startswith('VmRSS')][0].split()[1]; "
    "print((int(s[11]) + int(s[12])) / os.sysconf('SC_CLK_TCK'), int(m) / 1024)"
)


@asynccontextmanager
async def space() -> AsyncIterator[Space]:
    """A namespace under Pod Security `restricted`, removed afterwards."""
    async with ApiClient(Path(os.environ["KUBECONFIG"])) as api:
        name = f"bench-{secrets.token_hex(3)}"
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        await api.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        made = Space(api, name, partial(print, file=sys.stderr))
        await eventually(lambda: made.get("serviceaccounts", "default"), within_s=60)
        try:
            yield made
        finally:
            await api.delete(f"/api/v1/namespaces/{name}")


def holder() -> str:
    """The pod of the operator that holds the Lease, empty while none does."""
    lease = json.loads(kubectl("-n", HOME, "get", "lease", "zkoperator", "-o", "json"))
    return str(lease["spec"].get("holderIdentity") or "").rpartition("_")[0]


def total(metrics: str, name: str) -> float:
    """The sum of all samples of a metric."""
    return sum(float(found["value"]) for found in _SAMPLE.finditer(metrics) if found["name"] == name)


def metrics(pod: str) -> str:
    """What the pod exposes."""
    return kubectl("get", "--raw", f"/api/v1/namespaces/{HOME}/pods/{pod}:8080/proxy/metrics")


def usage(pod: str) -> tuple[float, float]:
    """CPU seconds and resident MiB of the pod's first process."""
    cpu_s, rss_mib = kubectl("-n", HOME, "exec", pod, "--", "python", "-c", _USAGE).split()
    return float(cpu_s), float(rss_mib)
