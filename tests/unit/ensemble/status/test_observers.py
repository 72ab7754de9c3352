"""What the status says of observers."""

from dataclasses import replace

from tests.support.models.ensemble_guards import NOW, at_rest, planned
from tests.support.models.ensemble_simulation import Simulation, valid
from zkoperator.api.reasons import ClusterReason
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.status.status import status_of
from zkoperator.kube.port import Manifest

TWO = {"replicas": 2}


def reported(world: Simulation, observed: Observed) -> Manifest:
    return status_of(valid(world.raw), observed, planned(world, observed), NOW)


def test_their_state_is_told() -> None:
    world = at_rest(observers=TWO)
    status = reported(world, world.observe())
    assert (status["replicas"], status["readyReplicas"]) == (3, 3)
    assert (status["observers"], status["readyObservers"]) == (2, 2)
    roles = {member["name"]: member["role"] for member in status["members"]}
    assert roles["main-zk-observers-0"] == roles["main-zk-observers-1"] == "observer"
    assert "observer" not in status["hosts"], "a connect string leads to voters"
    bare = reported(at_rest(), at_rest().observe())
    assert bare["observers"] is None and bare["readyObservers"] is None


def test_one_that_is_down_is_told_and_the_ensemble_is_available() -> None:
    world = at_rest(observers=TWO)
    world.stuck = frozenset({102})
    world.crash(102)
    world.tick()
    seen = replace(world.observe(), downtime_s={102: 200.0})
    status = reported(world, seen)
    conditions = {condition["type"]: condition for condition in status["conditions"]}
    assert conditions["Available"]["status"] == "True"
    assert conditions["Degraded"]["reason"] == ClusterReason.MEMBER_DOWN
    assert "1 of 2 observers do not serve: main-zk-observers-1" in conditions["Degraded"]["message"]
    assert conditions["Ready"]["status"] == "False"
