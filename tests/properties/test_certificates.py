"""Whatever happens in whatever order: nobody ever meets a certificate that it cannot verify."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.models.certificate_world import World
from tests.support.models.foreign_pki import DAY, authority, secret_of
from zkoperator.pki import delivered
from zkoperator.pki.delivered import Delivered
from zkoperator.pki.files import File
from zkoperator.pki.flaws import Purpose

MINUTE = timedelta(minutes=1)
PORTS = (File.CLIENT, File.QUORUM)
EVENTS = st.one_of(
    st.tuples(st.just("minutes"), st.integers(1, 90)),
    st.tuples(st.just("days"), st.integers(1, 70)),
    st.tuples(st.just("delete the CA"), st.just(0)),
    st.tuples(st.just("deliver"), st.integers(0, 3)),
    st.tuples(st.just("back to our own"), st.integers(0, 1)),
    st.tuples(st.just("cut off"), st.integers(0, 2)),
    st.tuples(st.just("restart"), st.integers(0, 2)),
    st.tuples(st.just("a pass"), st.just(0)),
)


def happen(world: World, event: str, number: int) -> None:
    match event:
        case "minutes":
            world.pass_time(number * MINUTE, step=7 * MINUTE)
        case "days":
            world.pass_time(number * DAY, step=8 * DAY)
        case "delete the CA":
            world.authorities = ()
        case "deliver":
            ca = authority(f"company {number}", begin=world.now - DAY, end=world.now + 9000 * DAY)
            signed = ca.signs(("*.main-zk-members.demo.svc",), begin=world.now - DAY, end=world.now + 90 * DAY)
            purpose = Purpose("demo", "s", ("main-zk-0.main-zk-members.demo.svc",), True, world.now)
            found = delivered.check_leaf(secret_of(signed, ca), purpose)
            assert isinstance(found, Delivered)
            world.delivered[PORTS[number % 2]] = found
        case "back to our own":
            world.delivered.pop(PORTS[number], None)
        case "cut off":
            world.members[number].cut_off = True
        case "restart":
            world.restart(number)
        case _:
            world.operate()
            world.check()


@settings(max_examples=30, deadline=None)
@given(st.lists(EVENTS, max_size=12))
def test_every_handshake_that_can_happen_succeeds(events: list[tuple[str, int]]) -> None:
    world = World()
    world.settle()
    world.pass_time(10 * MINUTE)
    for event, number in events:
        happen(world, event, number)
    world.pass_time(30 * MINUTE, step=7 * MINUTE)
