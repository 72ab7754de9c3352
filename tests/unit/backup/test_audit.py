"""An audit finds what members have differently, and takes no write of a client for a difference."""

import asyncio
import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.support.fakes.zk import FakeZkServer
from tests.support.models.seeds import Bug, Claim, Seed, claim_with, replaced, rewritten
from tests.support.worlds.busy_tree import ACLS, ensemble, superuser
from zkoperator.backup import audit as module
from zkoperator.backup import comparison
from zkoperator.backup.audit import audit
from zkoperator.backup.comparison import Aspect, Audit, Difference
from zkoperator.zk.port import Create, Set


async def audited(servers: Mapping[str, FakeZkServer], between: Callable[[], Any] = lambda: None) -> Audit:
    sessions = {name: superuser(server) for name, server in servers.items()}
    running = asyncio.create_task(audit(sessions))
    while not running.done():
        await asyncio.sleep(0)
        between()
    for session in sessions.values():
        await session.close()
    return running.result()


def copies(names: str = "abc") -> dict[str, FakeZkServer]:
    """Members of one ensemble, which has come to rest."""
    server, _ = ensemble(3)
    server.write(Create("/app/settings", b"right"), Create("/app/other", b""))
    members = {name: FakeZkServer() for name in names}
    for member in members.values():
        member.tree = copy.deepcopy(server.tree)
    return members


async def claim_nothing_invented(seeds: range) -> None:
    for seed in seeds:
        server, writers = ensemble(seed)
        left = 150

        def between(writers: Any = writers) -> None:
            nonlocal left
            if left and writers.rng.random() < 0.3:
                left -= 1
                _ = writers.set_acl() if writers.rng.random() < 0.1 else writers.write()

        found = await audited(dict.fromkeys("abc", server), between)
        assert found.differences == (), seed
        assert found.unsettled == 0


async def test_a_write_of_a_client_during_the_audit_is_no_difference() -> None:
    await claim_nothing_invented(range(25))


async def test_equal_members_have_no_difference() -> None:
    members = copies()
    found = await audited(members)
    assert (found.differences, found.unsettled, found.is_complete) == ((), 0, True)
    assert len(set(found.zxids.values())) == 1


async def test_a_value_that_differs_at_one_zxid_is_named_with_its_groups() -> None:
    members = copies()
    for name, server in members.items():
        server.write(Set("/app/settings", b"wrong" if name == "b" else b"right", -1))
    found = await audited(members)
    assert found.differences == (Difference("/app/settings", Aspect.DATA, (("a", "c"), ("b",))),)


async def test_a_znode_that_one_member_lacks_is_named() -> None:
    members = copies("ab")
    members["a"].write(Create("/app/lost", b""))
    members["b"].write(Set("/app/other", b"", -1))
    for server in members.values():
        server.write(Set("/app/settings", b"later", -1))
    found = {item.path: item for item in (await audited(members)).differences}
    assert found["/app/lost"] == Difference("/app/lost", Aspect.ABSENT, (("a",), ("b",)))
    assert found["/app/other"].aspect is Aspect.STAT


async def test_an_acl_that_differs_is_named_although_no_digest_covers_it() -> None:
    members = copies("ab")
    members["b"].tree._nodes["/app/settings"].acl = ACLS[3]
    found = await audited(members)
    assert found.differences == (Difference("/app/settings", Aspect.ACL, (("a",), ("b",))),)


async def test_what_each_server_writes_for_itself_is_not_compared() -> None:
    members = copies("ab")
    members["b"].config = "server.1=elsewhere:2888:3888:participant;0.0.0.0:2181\nversion=1"
    assert (await audited(members)).differences == ()


async def test_a_member_that_lags_behind_is_looked_at_again_and_not_accused() -> None:
    members = copies("ab")
    for _ in range(9):
        members["a"].write(Set("/app/settings", b"newer", -1))
    found = await audited(members)
    assert found.differences == ()
    assert found.unsettled > 0


def judging(old: str, new: str) -> Bug:
    def bug(patch: pytest.MonkeyPatch) -> None:
        rewritten(comparison, "judge", old, new)(patch)
        patch.setattr(module, "judge", comparison.judge)

    return bug


NOTHING_INVENTED: Claim = claim_with(claim_nothing_invented, range(25))
SEEDS = [
    Seed(
        "only what has not changed since the lowest zxid is certain",
        replaced(comparison, "_is_certain", lambda view, zxid: True),
        (NOTHING_INVENTED, test_a_member_that_lags_behind_is_looked_at_again_and_not_accused),
    ),
    Seed(
        "ACLs are compared",
        judging("len(states) > 1 or len(acls)", "len(states) > 1 or 0 * len(acls)"),
        (test_an_acl_that_differs_is_named_although_no_digest_covers_it,),
    ),
    Seed(
        "an ACL that was changed during the audit is looked at again",
        judging("len(acls) > len({aversion for aversion, _ in acls})", "len(acls) > 1"),
        (NOTHING_INVENTED,),
    ),
    Seed(
        "the server's own znodes are left out",
        replaced(module, "_is_of_the_server", lambda path: False),
        (test_what_each_server_writes_for_itself_is_not_compared,),
    ),
]


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_the_seeded_bug_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
