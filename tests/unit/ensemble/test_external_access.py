"""External access with the whole reconciler, an API server in memory, and load balancers that the tests play."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from tests.support.fakes.kube import Operation
from tests.support.models.ensemble_edges import Selecting, until
from tests.support.models.ensemble_simulation import NAMES
from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.certified import SELF_SIGNED, held
from tests.support.worlds.ensemble import EnsembleWorld, ensemble_world
from tests.support.worlds.ensemble_recovery import recovery_world
from zkoperator.ensemble import reconcile
from zkoperator.ensemble.apply.applier import Applier
from zkoperator.ensemble.build import children, external_services
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.observe import child_refusals
from zkoperator.ensemble.plan import child_steps
from zkoperator.ensemble.plan.steps import RemoveChild
from zkoperator.errors import ConflictError, FieldError, ForbiddenError, InvalidError
from zkoperator.kube.port import EVENTS, SERVICES, Manifest
from zkoperator.pki.certificates import extension
from zkoperator.pki.files import File

BALANCED: dict[str, Any] = {"type": "LoadBalancer", "plaintext": "Allowed"}
ON_NODES: dict[str, Any] = {**BALANCED, "type": "NodePort"}
OF_TLS: dict[str, Any] = {"type": "LoadBalancer", "plaintext": "Refused"}
TLS: dict[str, Any] = {"client": {**SELF_SIGNED, "plaintext": "Refused"}}
ROLL = {"tickTime": "3000"}


def service(world: EnsembleWorld, name: str = NAMES.external_service) -> Manifest | None:
    return world.api.peek(SERVICES, "demo", name)


def outside(world: EnsembleWorld) -> set[str]:
    named = {each["metadata"]["name"] for each in world.api.every(SERVICES)}
    return {name for name in named if name.startswith(NAMES.external_service)}


def ports(world: EnsembleWorld, name: str = NAMES.external_service) -> list[int]:
    found = service(world, name)
    return [port["port"] for port in found["spec"]["ports"]] if found is not None else []


def told(world: EnsembleWorld) -> str | None:
    found: str | None = (world.cluster() or {})["status"].get("externalHosts")
    return found


def give_address(world: EnsembleWorld, name: str = NAMES.external_service, **entry: str) -> None:
    status = {"status": {"loadBalancer": {"ingress": [entry]}}}
    world.api.edit(SERVICES, "demo", name, status, subresource="status", manager="cloud")


def message(world: EnsembleWorld, condition: str = "Ready") -> str:
    return str(world.condition(condition)["message"])


async def at_rest(replicas: int = 3, **spec: Any) -> EnsembleWorld:
    world = ensemble_world(replicas, **spec)
    await world.rest()
    world.made.clear()
    world.restarts.clear()
    return world


async def it_comes_and_goes_and_no_member_notices() -> None:
    world = await at_rest()
    for access, names in ((BALANCED, {"main-zk-external"}), (ON_NODES, {"main-zk-external"}), (None, set())):
        world.ask_for(externalAccess=access)
        await world.rest()
        assert outside(world) == names
        assert (service(world) or {}).get("spec", {}).get("type") == (access or {}).get("type")
    assert told(world) is None
    assert not [made for made in world.made if "pods/" in made] and world.reconfigurations == 0
    assert "ChildRemoved" in {event["reason"] for event in events(world)}


def events(world: EnsembleWorld) -> list[Manifest]:
    return list(world.api.every(EVENTS))


async def nobody_outside_gets_a_port_without_tls_that_was_not_allowed() -> None:
    world = await at_rest()
    for tls, access in ((TLS, OF_TLS), ({"client": SELF_SIGNED}, OF_TLS), (TLS, OF_TLS)):
        world.ask_for(tls=tls, externalAccess=access)
        for _ in range(120):
            await world.turn()
            assert ports(world) in ([], [2281]), "the port without TLS is open to the outside"
        assert ports(world) == [2281]
    give_address(world, ip="203.0.113.7")
    await world.rest()
    status = (world.cluster() or {})["status"]
    assert (told(world), status["tls"]["client"]["externalHosts"]) == ("203.0.113.7:2281",) * 2


async def plaintext_ends_at_once_when_it_is_refused() -> None:
    world = await at_rest(externalAccess=BALANCED)
    uid = (service(world) or {})["metadata"]["uid"]
    world.ask_for(tls={"client": SELF_SIGNED}, externalAccess=OF_TLS)
    await world.turn()
    await world.turn()
    assert ports(world) == [2281]
    await world.rest()
    world.ask_for(externalAccess=BALANCED)
    await world.rest()
    assert ports(world) == [2181, 2281]
    world.ask_for(tls=None)
    await world.rest()
    assert ports(world) == [2181]
    assert (service(world) or {})["metadata"]["uid"] == uid, "the address of the load balancer is lost"


async def the_address_is_told_once_there_is_one() -> None:
    world = await at_rest(externalAccess=BALANCED)
    assert world.condition("Ready")["status"] == "True"
    assert "Service main-zk-external waits for the address of a load balancer" in message(world)
    assert told(world) == ""
    assert "waits for the address" not in message(world, "Degraded"), "clouds need minutes"
    give_address(world, hostname="a1.elb.example.com")
    await world.rest()
    assert told(world) == "a1.elb.example.com:2181"
    assert "waits for" not in message(world)


async def a_load_balancer_that_does_not_come_is_warned_of() -> None:
    world = ensemble_world(1, externalAccess=BALANCED)
    world.today -= timedelta(minutes=10)
    await world.rest()
    assert world.condition("Degraded")["status"] == "False" and world.condition("Ready")["status"] == "True"
    assert "warning: " in message(world, "Degraded") and "waits for the address" in message(world, "Degraded")
    give_address(world, ip="2001:db8::7")
    await world.rest()
    assert told(world) == "[2001:db8::7]:2181"
    assert "waits for" not in message(world, "Degraded")


async def each_voter_has_a_service_of_its_own_for_as_long_as_it_has_a_pod() -> None:
    names = "zk-{ordinal}.example.com"
    world = await at_rest(1, externalAccess={**BALANCED, "perMember": True, "hostnames": names})
    world.ask_for(replicas=3)
    await world.rest()
    assert outside(world) == {f"main-zk-external-{ordinal}" for ordinal in range(3)}
    selected = (service(world, "main-zk-external-2") or {})["spec"]["selector"]
    assert selected["statefulset.kubernetes.io/pod-name"] == "main-zk-2"
    for ordinal in range(3):
        give_address(world, f"main-zk-external-{ordinal}", ip=f"203.0.113.{ordinal}")
    await world.rest()
    assert told(world) == "zk-0.example.com:2181,zk-1.example.com:2181,zk-2.example.com:2181"
    world.ask_for(replicas=1)
    for _ in range(60):
        await world.turn()
        assert len(outside(world)) >= len(world.pods), "a voter lost its address before it was gone"
    assert outside(world) == {"main-zk-external-0"}
    assert told(world) == "zk-0.example.com:2181"


async def a_recovery_takes_no_address_away() -> None:
    access = {**BALANCED, "perMember": True}
    world = recovery_world(3, externalAccess=access)
    await world.rest()
    uids = {each["metadata"]["uid"] for each in world.api.every(SERVICES)}
    await world.lose(1, 3)
    await world.wait(40)
    world.approve("main-zk-1@0xffff")
    for _ in range(60):
        await world.turn()
        assert uids == {each["metadata"]["uid"] for each in world.api.every(SERVICES)}, "a Service was deleted"
    await world.rest()


def allocating(world: EnsembleWorld) -> set[int]:
    """Let each port of the nodes belong to one Service only, as the API server does; returns ports of others."""
    apply, taken = world.api.apply, set[int]()

    async def checked(resource: Any, namespace: str, manifest: Manifest, **more: Any) -> Manifest:
        if resource is SERVICES:
            name = manifest["metadata"]["name"]
            others = [each for each in world.api.every(SERVICES) if each["metadata"]["name"] != name]
            used = taken | {port.get("nodePort") for each in others for port in each["spec"]["ports"]}
            for number, port in enumerate(manifest["spec"]["ports"]):
                if port.get("nodePort") in used - {None}:
                    where = f"spec.ports[{number}].nodePort"
                    why = f"Invalid value: {port['nodePort']}: provided port is already allocated"
                    raise InvalidError((FieldError(where, why),))
        return await apply(resource, namespace, manifest, **more)

    world.api.apply = checked  # type: ignore[method-assign]
    return taken


async def what_has_the_port_goes_before_what_gets_it() -> None:
    fixed = {**ON_NODES, "nodePorts": {"plaintext": 32181}}
    world = await at_rest(externalAccess=fixed)
    allocating(world)
    world.ask_for(externalAccess={**fixed, "perMember": True})
    for _ in range(20):
        await world.turn()
        assert world.condition("Progressing")["reason"] != "Blocked"
    assert outside(world) == {f"main-zk-external-{ordinal}" for ordinal in range(3)}
    assert told(world) == "10.9.0.1:32181,10.9.0.2:32182,10.9.0.3:32183"
    world.ask_for(externalAccess={**fixed, "perMember": True, "nodePorts": {"plaintext": 32182}})
    for _ in range(80):
        await world.turn()
    assert told(world) == "10.9.0.1:32182,10.9.0.2:32183,10.9.0.3:32184"


async def a_service_that_is_refused_holds_nothing_up() -> None:
    world = await at_rest()
    taken = allocating(world)
    taken.add(32181)
    world.ask_for(externalAccess={**ON_NODES, "nodePorts": {"plaintext": 32181}}, config=ROLL)
    for _ in range(60):
        await world.turn()
    assert sorted(made for made in world.made if made.startswith("evict")) == [
        f"evict pods/main-zk-{ordinal}" for ordinal in range(3)
    ]
    assert world.condition("Progressing")["reason"] == "Blocked"
    assert "writing Service main-zk-external" in message(world)
    assert "already allocated; write other spec.externalAccess.nodePorts" in message(world)
    assert world.condition("Available")["status"] == "True"
    assert told(world) == ""
    taken.clear()
    world.clock.seconds += child_refusals.ASK_AGAIN_S
    await world.rest()
    assert ports(world) == [2181]


async def an_edit_is_tried_at_once_whatever_was_refused_before() -> None:
    world = await at_rest()
    allocating(world).add(32181)
    world.ask_for(externalAccess={**ON_NODES, "nodePorts": {"plaintext": 32181}})
    for _ in range(5):
        await world.turn()
    assert world.condition("Progressing")["reason"] == "Blocked"
    world.ask_for(externalAccess={**ON_NODES, "nodePorts": {"plaintext": 32182}})
    await world.turn()
    assert outside(world) == {"main-zk-external"}


async def a_service_of_somebody_else_is_left_alone_and_holds_nothing_up() -> None:
    world = await at_rest()
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "main-zk-external", "namespace": "demo"}}
    world.api.put(SERVICES, {**theirs, "spec": {"ports": [{"port": 80}]}})
    before = service(world)
    world.store = Selecting(world.api)
    world.start_operator()
    world.ask_for(externalAccess=BALANCED, config=ROLL)
    for _ in range(60):
        await world.turn()
    assert service(world) == before
    assert len([made for made in world.made if made.startswith("evict")]) == 3
    assert "main-zk-external was not made by this operator" in message(world)


async def without_the_right_to_delete_it_is_told_which_roles_to_apply() -> None:
    world = await at_rest(externalAccess=BALANCED)
    hook = world.api.before

    def forbidding(operation: Operation) -> None:
        if (operation.verb, operation.resource) == ("delete", SERVICES):
            raise ForbiddenError('services "main-zk-external" is forbidden: User cannot delete resource "services"')
        hook(operation)

    world.api.before = forbidding
    world.ask_for(externalAccess=None, config=ROLL)
    for _ in range(60):
        await world.turn()
    assert len([made for made in world.made if made.startswith("evict")]) == 3
    assert "apply the roles of this version" in message(world)


async def a_change_of_mind_between_look_and_deletion_keeps_the_service() -> None:
    world = await at_rest(externalAccess=BALANCED)
    uid = (service(world) or {})["metadata"]["uid"]
    world.ask_for(externalAccess=None)
    edge, step = await until(world, RemoveChild)
    world.ask_for(externalAccess=BALANCED)
    assert isinstance(await edge.take(step), ConflictError)
    await world.rest()
    assert (service(world) or {})["metadata"]["uid"] == uid


async def the_names_are_in_the_certificate_and_stay_there_as_members_come() -> None:
    access = {**OF_TLS, "hostnames": "zk-{ordinal}.example.com"}
    world = await at_rest(1, tls=TLS, externalAccess=access)
    leaf = held(world).leaves[File.CLIENT].certificate
    names = extension(leaf, x509.SubjectAlternativeName)
    assert names is not None
    assert {f"zk-{ordinal}.example.com" for ordinal in range(9)} <= set(names.get_values_for_type(x509.DNSName))
    world.ask_for(replicas=3)
    await world.rest()
    assert held(world).leaves[File.CLIENT].certificate == leaf


async def warnings_tell_what_people_outside_must_know() -> None:
    world = await at_rest(externalAccess=BALANCED)
    assert "Curator clients outside the cluster need ensembleTracker(false)" in message(world, "Degraded")
    assert "spec.externalAccess.plaintext is Allowed" in message(world, "Degraded")


WHOLE: tuple[Callable[[], Awaitable[None]], ...] = (
    it_comes_and_goes_and_no_member_notices,
    nobody_outside_gets_a_port_without_tls_that_was_not_allowed,
    plaintext_ends_at_once_when_it_is_refused,
    the_address_is_told_once_there_is_one,
    a_load_balancer_that_does_not_come_is_warned_of,
    each_voter_has_a_service_of_its_own_for_as_long_as_it_has_a_pod,
    a_recovery_takes_no_address_away,
    what_has_the_port_goes_before_what_gets_it,
    a_service_that_is_refused_holds_nothing_up,
    an_edit_is_tried_at_once_whatever_was_refused_before,
    a_service_of_somebody_else_is_left_alone_and_holds_nothing_up,
    without_the_right_to_delete_it_is_told_which_roles_to_apply,
    a_change_of_mind_between_look_and_deletion_keeps_the_service,
    the_names_are_in_the_certificate_and_stay_there_as_members_come,
    warnings_tell_what_people_outside_must_know,
)


@pytest.mark.parametrize("story", WHOLE, ids=lambda story: getattr(story, "__name__", ""))
async def test_external_access_in_the_whole_reconciler(story: Callable[[], Awaitable[None]]) -> None:
    await story()


async def _unchecked(*_: Any) -> None:
    return


SEEDS = (
    Seed(
        "plaintext is let out only where somebody has allowed it",
        rewritten(external_services, "external_ports", "access.plaintext is Plaintext.ALLOWED and ", ""),
        (nobody_outside_gets_a_port_without_tls_that_was_not_allowed,),
    ),
    Seed(
        "a refused Service is noted and not asked for in each pass",
        replaced(reconcile, "refused_child", lambda *_: None),
        (a_service_that_is_refused_holds_nothing_up, a_service_of_somebody_else_is_left_alone_and_holds_nothing_up),
    ),
    Seed(
        "what was refused belongs to a generation",
        rewritten(child_refusals, "ChildRefusals.read", "found.generation == generation and ", ""),
        (an_edit_is_tried_at_once_whatever_was_refused_before,),
    ),
    Seed(
        "what is not asked for any more is deleted",
        replaced(child_steps, "_removals", lambda *_: ()),
        (it_comes_and_goes_and_no_member_notices, what_has_the_port_goes_before_what_gets_it),
    ),
    Seed(
        "members that come back after a recovery keep their addresses",
        rewritten(children, "_voters", "max(cluster.spec.replicas, desired.pods)", "desired.pods"),
        (a_recovery_takes_no_address_away,),
    ),
    Seed(
        "the cluster is read again before a deletion",
        replaced(Applier, "_require_unchanged_cluster", _unchecked),
        (a_change_of_mind_between_look_and_deletion_keeps_the_service,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_without_the_guard_it_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)


def test_the_service_for_all_is_no_child_of_a_member() -> None:
    assert Child.EXTERNAL.is_optional and not Child.CLIENT_SERVICE.is_optional
