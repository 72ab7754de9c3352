"""What NetworkPolicies let through between real pods: of members only what clients need, of the operator its port."""

import asyncio
import json
from typing import Any

import pytest

from tests.e2e.conftest import BOTH_WIRES, Space, kubectl
from tests.support.waiting import eventually
from tests.support.worlds.strangers import Stranger

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


async def knocks(stranger: Stranger, *addresses: str) -> dict[str, str]:
    """Whether each address is open, refused or silent."""
    answers: dict[str, str] = json.loads(await stranger.runs("python", "-c", KNOCK, *addresses))
    return answers


def operators() -> list[dict[str, Any]]:
    listed = kubectl("-n", HOME, "get", "pods", "-l", "app.kubernetes.io/name=zkoperator", "-o", "json")
    items: list[dict[str, Any]] = json.loads(listed)["items"]
    return items


@pytest.fixture
def stranger(shared: Space) -> Stranger:
    return Stranger(shared, operators()[0]["spec"]["containers"][0]["image"])


@BOTH_WIRES
async def test_a_foreign_pod_reaches_a_member_as_a_client_and_not_as_a_member(
    shared: Space, stranger: Stranger
) -> None:
    # That there is a quorum shows that the members reach one another on the very ports that are knocked at.
    found = await shared.get("zookeeperclusters", "main")
    assert found is not None
    leader = await shared.get("pods", found["status"]["leader"])
    assert leader is not None
    address = leader["status"]["podIP"]
    answers = await knocks(stranger, *(f"{address}:{port}" for port in (2180, 2181, 2281, 7000, 2888, 3888)))
    reached = {int(answer.rpartition(":")[2]) for answer in answers if answers[answer] == OPEN}
    assert reached == {shared.wire.port, 7000}, answers


async def test_the_operator_is_reached_by_probes_and_scrapers_and_by_nothing_else(stranger: Stranger) -> None:
    async def probed() -> dict[str, Any]:
        for pod in await asyncio.to_thread(operators):
            conditions = {item["type"]: item["status"] for item in pod["status"].get("conditions", ())}
            if conditions.get("Ready") == "True":
                return pod
        raise AssertionError("no replica is ready")

    pod = await eventually(probed, within_s=120, every_s=0.5)
    address = pod["status"]["podIP"]
    assert "zkoperator_leader" in await stranger.runs("python", "-c", SCRAPE, f"http://{address}:8080/metrics")
    # Without a policy a port that nobody listens on would be refused; one that is not let through stays silent.
    assert await knocks(stranger, f"{address}:8081") == {f"{address}:8081": SILENT}
