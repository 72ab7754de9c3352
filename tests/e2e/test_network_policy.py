"""What NetworkPolicies let through between real pods: of members only what clients need, of the operator its port."""

import asyncio
import json
import secrets
from typing import Any

import pytest

from tests.e2e.conftest import Space, kubectl
from tests.support.waiting import eventually

HOME = "zkoperator-system"
OPEN, SILENT = "open", "silent"
KNOCK = """
import json, socket, sys
def knock(address):
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 3).close()
    except TimeoutError:
        return "silent"
    except OSError:
        return "refused"
    return "open"
print(json.dumps({address: knock(address) for address in sys.argv[1:]}))
"""
SCRAPE = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())"


class Stranger:
    """Pods of no ensemble in a namespace, made of the operator's image for the Python in it."""

    def __init__(self, space: Space, image: str) -> None:
        self._space = space
        self._image = image

    async def runs(self, script: str, *arguments: str) -> str:
        """What the script prints in a pod of its own."""
        name = f"stranger-{secrets.token_hex(3)}"
        await self._space.apply(self._pod(name, script, arguments))

        async def ended() -> bool:
            pod = await self._space.get("pods", name)
            return pod is not None and pod["status"].get("phase") in ("Succeeded", "Failed")

        await eventually(ended, within_s=180, every_s=0.5)
        return await asyncio.to_thread(kubectl, "-n", self._space.name, "logs", name)

    async def knocks(self, *addresses: str) -> dict[str, str]:
        """Whether each address is open, refused or silent."""
        answers: dict[str, str] = json.loads(await self.runs(KNOCK, *addresses))
        return answers

    def _pod(self, name: str, script: str, arguments: tuple[str, ...]) -> dict[str, Any]:
        container = {
            "name": "python",
            "image": self._image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python", "-c", script, *arguments],
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        }
        restricted = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
        spec = {"restartPolicy": "Never", "securityContext": restricted, "containers": [container]}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def operators() -> list[dict[str, Any]]:
    listed = kubectl("-n", HOME, "get", "pods", "-l", "app.kubernetes.io/name=zkoperator", "-o", "json")
    items: list[dict[str, Any]] = json.loads(listed)["items"]
    return items


@pytest.fixture
def stranger(shared: Space) -> Stranger:
    return Stranger(shared, operators()[0]["spec"]["containers"][0]["image"])


async def test_a_foreign_pod_reaches_a_member_as_a_client_and_not_as_a_member(
    shared: Space, stranger: Stranger
) -> None:
    # That there is a quorum shows that the members reach one another on the very ports that are knocked at.
    found = await shared.get("zookeeperclusters", "main")
    assert found is not None
    leader = await shared.get("pods", found["status"]["leader"])
    assert leader is not None
    address = leader["status"]["podIP"]
    answers = await stranger.knocks(*(f"{address}:{port}" for port in (2181, 7000, 2888, 3888)))
    assert {answer.rpartition(":")[2]: answers[answer] == OPEN for answer in answers} == {
        "2181": True,
        "7000": True,
        "2888": False,
        "3888": False,
    }


async def test_the_operator_is_reached_by_probes_and_scrapers_and_by_nothing_else(stranger: Stranger) -> None:
    async def probed() -> dict[str, Any]:
        for pod in await asyncio.to_thread(operators):
            conditions = {item["type"]: item["status"] for item in pod["status"].get("conditions", ())}
            if conditions.get("Ready") == "True":
                return pod
        raise AssertionError("no replica is ready")

    pod = await eventually(probed, within_s=120, every_s=0.5)
    address = pod["status"]["podIP"]
    assert "zkoperator_leader" in await stranger.runs(SCRAPE, f"http://{address}:8080/metrics")
    # Without a policy a port that nobody listens on would be refused; one that is not let through stays silent.
    assert await stranger.knocks(f"{address}:8081") == {f"{address}:8081": SILENT}
