"""Every guard between a look and a write is there for a reason: with any of them taken out, a claim beside it fails."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import dedent
from typing import Any
from unittest.mock import ANY

import pytest

from tests.support.fakes.kube import FakeKube
from tests.support.worlds.ensemble import StageSession
from tests.unit.ensemble import test_reconcile as reconciling
from tests.unit.ensemble.apply import test_applier as applying
from tests.unit.ensemble.apply import test_reconfigurer as reconfiguring
from tests.unit.ensemble.observe import test_observer as observing
from zkoperator.ensemble import reconcile
from zkoperator.ensemble.apply import applier as apply
from zkoperator.ensemble.apply import reconfigurer
from zkoperator.ensemble.apply.applier import Applier
from zkoperator.ensemble.apply.reconfigurer import Reconfigurer
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.build.secret import password_in
from zkoperator.ensemble.model.names import Names
from zkoperator.ensemble.observe import answers
from zkoperator.ensemble.observe import observer as observe
from zkoperator.ensemble.plan.steps import DeleteClaim, Reconfigure, RemovePods, RestartPod
from zkoperator.kube.port import PODS

Claim = Callable[[], Any]


@dataclass(frozen=True)
class Seed:
    """A guard that is taken out, and the claims each of which must notice it."""

    guard: str
    bug: Callable[[pytest.MonkeyPatch], None]
    claims: tuple[Claim, ...]


async def _no_check(*_: Any) -> None:
    return None


async def _version_only(self: Applier, cluster: Any, _: Any, step: RestartPod) -> str:
    live = await self._api.get(PODS, cluster.names.namespace, step.name) or {}
    return str(live["metadata"]["resourceVersion"])


def _judged_without(index: int) -> Callable[[pytest.MonkeyPatch], None]:
    """Judge pods without one of the facts: uid, address, whether it is being stopped, whether it runs."""

    def bug(patch: pytest.MonkeyPatch) -> None:
        judged = apply._gate_facts

        def fewer(pod: Any) -> Any:
            facts = judged(pod)
            return facts and (*facts[:index], *facts[index + 1 :])

        patch.setattr(apply, "_gate_facts", fewer)

    return bug


def _request_without(verb: str, *conditions: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Send a request without these preconditions."""

    def bug(patch: pytest.MonkeyPatch) -> None:
        send = getattr(FakeKube, verb)

        async def unconditional(self: FakeKube, *given: Any, **more: Any) -> Any:
            return await send(self, *given, **{name: value for name, value in more.items() if name not in conditions})

        patch.setattr(FakeKube, verb, unconditional)

    return bug


def _apply_without(*conditions: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Apply without these preconditions in the manifest."""

    def bug(patch: pytest.MonkeyPatch) -> None:
        with_metadata = apply._with_metadata

        def fewer(manifest: Any, **fields: str) -> Any:
            return with_metadata(manifest, **{name: each for name, each in fields.items() if name not in conditions})

        patch.setattr(apply, "_with_metadata", fewer)

    return bug


def _sets(target: object, name: str, value: object) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(target, name, value)


def _rewritten(module: Any, name: str, old: str, new: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Replace a passage of a method by another one."""

    def bug(patch: pytest.MonkeyPatch) -> None:
        owner = module
        *path, method = name.split(".")
        for part in path:
            owner = getattr(owner, part)
        source = inspect.getsource(getattr(owner, method))
        assert source.count(old) == 1, f"{name} has changed: seed its bug anew"
        found: dict[str, Any] = {}
        exec(dedent(source.replace(old, new)), vars(module), found)
        patch.setattr(owner, method, found[method])

    return bug


def _anybodys_secret(patch: pytest.MonkeyPatch) -> None:
    for module in (observe, reconfigurer):
        patch.setattr(module, "password_of", lambda _, manifest: password_in(manifest))
    patch.setattr(observe, "ownership_of", lambda _: None)


def _belief_without_uid(patch: pytest.MonkeyPatch) -> None:
    known = observe.KnownSecret
    patch.setattr(observe, "KnownSecret", lambda _, read_s, secret_id: known(ANY, read_s, secret_id))


def _any_server(patch: pytest.MonkeyPatch) -> None:
    read = answers.read_answer

    def whoever(_: int, srvr: str, mntr: str, conf: str) -> answers.Answer:
        found = answers._ID.search(conf)
        return read(int(found["id"]) if found is not None else 0, srvr, mntr, conf)

    patch.setattr(observe, "read_answer", whoever)


def _unconditional_reconfiguration(patch: pytest.MonkeyPatch) -> None:
    reconfig = StageSession.reconfig

    async def from_whatever(
        self: StageSession, *, joining: Sequence[str] = (), leaving: Sequence[int] = (), from_config: int
    ) -> tuple[str, int]:
        present = self._stage.committed
        assert present is not None
        return await reconfig(self, joining=joining, leaving=leaving, from_config=present.version)

    patch.setattr(StageSession, "reconfig", from_whatever)


async def _changed(kind: Any, change: str) -> None:
    await applying.test_nothing_is_taken_away_for_a_cluster_that_has_changed_since(kind, change)


async def _another(change: str) -> None:
    await applying.test_no_member_is_restarted_when_another_voter_is_not_as_it_was_judged(change)


def _of(claim: Callable[..., Any], *given: Any) -> Claim:
    return lambda: claim(*given)


_NOT_OBSERVED = """\
                await self._restore_labels(resource, live, manifest)
                return
            wanted = _with_metadata(manifest, resourceVersion=_NEVER)"""

SEEDS = (
    Seed(
        "the object is looked at again before anything is taken away",
        _sets(Applier, "_require_unchanged_cluster", _no_check),
        tuple(_of(_changed, kind, "edited") for kind in (RestartPod, Reconfigure, RemovePods, DeleteClaim)),
    ),
    Seed(
        "its uid",
        _rewritten(apply, "Applier._require_unchanged_cluster", 'meta.get("uid") == cluster.meta.uid and ', ""),
        (_of(_changed, RestartPod, "made again"),),
    ),
    Seed(
        "its end",
        _rewritten(apply, "Applier._require_unchanged_cluster", ' or "deletionTimestamp" in meta', ""),
        (_of(_changed, RestartPod, "being deleted"),),
    ),
    Seed(
        "pods are looked at again before one is deleted",
        _sets(Applier, "_require_unchanged_pods", _version_only),
        tuple(_of(_another, change) for change in applying.POD_CHANGES),
    ),
    Seed("a pod's uid", _judged_without(0), (_of(_another, "made again"),)),
    Seed("a pod's address", _judged_without(1), (_of(_another, "at another address"),)),
    Seed("a pod's end", _judged_without(2), (_of(_another, "being stopped"),)),
    Seed(
        "whether a pod runs",
        _judged_without(3),
        (_of(_another, "not running"), applying.test_a_pod_that_runs_by_now_is_not_deleted_as_one_that_waits),
    ),
    Seed(
        "the version of what is deleted",
        _request_without("delete", "resource_version"),
        (applying.test_a_pod_that_changes_at_the_last_moment_is_not_deleted,),
    ),
    Seed(
        "the uid and version of what is deleted",
        _request_without("delete", "uid", "resource_version"),
        (
            applying.test_a_pod_that_came_at_the_last_moment_is_not_deleted,
            applying.test_a_claim_that_came_at_the_last_moment_is_kept,
        ),
    ),
    Seed(
        "the configuration is read again before pods and claims go",
        _sets(Reconfigurer, "confirm_absent", _no_check),
        tuple(
            _of(applying.test_a_member_that_is_back_in_the_configuration_loses_neither_pod_nor_claim, kind)
            for kind in (RemovePods, DeleteClaim)
        ),
    ),
    Seed(
        "a claim in use",
        _rewritten(apply, "Applier._delete_claim", " is not None:", " is ...:"),
        (applying.test_a_claim_whose_pod_is_there_after_all_is_kept,),
    ),
    Seed(
        "the version of what is applied",
        _apply_without("resourceVersion"),
        (
            applying.test_a_write_of_a_dead_operator_that_lands_after_a_growth_takes_no_pod,
            applying.test_a_creation_of_a_dead_operator_that_lands_after_a_growth_takes_no_pod,
            applying.test_pods_are_not_removed_from_a_stateful_set_that_somebody_scaled_meanwhile,
            _of(applying.test_a_child_that_somebody_edits_meanwhile_is_looked_at_again, Child.STATEFUL_SET),
        ),
    ),
    Seed(
        "the uid of what is applied",
        _apply_without("uid"),
        (
            applying.test_a_stateful_set_that_is_deleted_meanwhile_is_not_made_with_fewer_pods,
            applying.test_a_child_that_is_deleted_meanwhile_is_not_made_from_an_old_look,
        ),
    ),
    Seed(
        "a child that was not observed is not written",
        _rewritten(apply, "Applier._apply_child", _NOT_OBSERVED, "            wanted = manifest"),
        (applying.test_a_child_that_is_there_and_was_not_seen_yet_is_not_written,),
    ),
    Seed(
        "the version of what is patched",
        _request_without("patch", "resource_version"),
        (
            applying.test_a_note_does_not_take_away_an_owner_that_came_meanwhile,
            applying.test_the_permission_is_not_given_for_a_spec_that_changed_meanwhile,
            applying.test_a_repair_does_not_undo_what_somebody_does_meanwhile,
        ),
    ),
    Seed(
        "the uid of a claim that is noted",
        _rewritten(apply, "Applier._annotate_claim", ' or live["metadata"]["uid"] != step.claim.uid', ""),
        (applying.test_a_note_is_not_written_on_a_new_claim,),
    ),
    Seed(
        "claims without labels are found before the permission",
        _sets(Applier, "_require_no_contradicting_claim", _no_check),
        (reconciling.test_kept_claims_that_lost_their_labels_are_told_instead_of_an_endless_silence,),
    ),
    Seed(
        "a row of conflicts is reported",
        _sets(reconcile, "_MAX_CONFLICTS", 10**9),
        (reconciling.test_a_conflict_that_does_not_end_is_reported_and_one_that_does_is_not,),
    ),
    Seed(
        "an invalid object is watched",
        _sets(reconcile, "minimal_cluster", lambda *_: None),
        (reconciling.test_while_the_spec_is_invalid_the_status_goes_on_telling_who_leads_and_whether_a_quorum_serves,),
    ),
    Seed(
        "nothing is done without the Secret's permission",
        _rewritten(reconcile, "_plan", "if observed.refused:", "if not observed:"),
        (_of(observing.test_a_cluster_that_never_had_a_secret_says_that_it_may_not_read_it, True),),
    ),
    Seed(
        "whose the Secret is",
        _anybodys_secret,
        (
            observing.test_a_secret_of_somebody_else_is_never_adopted_however_well_it_is_formed,
            observing.test_the_secret_of_a_deleted_cluster_is_waited_out_by_the_next_one_of_its_name,
            reconfiguring.test_the_password_of_somebody_elses_secret_is_not_used,
        ),
    ),
    Seed(
        "a belief ends with its cluster",
        _belief_without_uid,
        (observing.test_what_is_believed_of_a_secret_ends_with_its_cluster,),
    ),
    Seed(
        "the server's id",
        _any_server,
        (observing.test_a_server_that_is_not_the_member_asked_is_not_listened_to,),
    ),
    Seed(
        "the ensemble's hosts",
        _sets(Names, "is_host", lambda *_: True),
        (
            *(
                _of(reconfiguring.test_another_ensemble_at_a_members_address_confirms_nothing, kind)
                for kind in (RemovePods, DeleteClaim)
            ),
            reconfiguring.test_another_ensemble_of_the_same_version_is_not_reconfigured,
        ),
    ),
    Seed(
        "the version is compared before a reconfiguration",
        _rewritten(reconfigurer, "Reconfigurer.change", "if present.version != step.from_version:", "if not present:"),
        (reconfiguring.test_an_ensemble_that_has_changed_since_is_not_even_asked,),
    ),
    Seed(
        "the version goes with a reconfiguration",
        _unconditional_reconfiguration,
        (reconfiguring.test_what_somebody_commits_at_the_last_moment_is_not_overwritten,),
    ),
    Seed(
        "a reconfiguration is read back",
        _rewritten(reconfigurer, "Reconfigurer.change", "if outcome.voters != step.voters:", "if not outcome:"),
        (reconfiguring.test_a_reconfiguration_that_never_arrived_is_not_told_as_done,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    seed.bug(monkeypatch)
    for claim in seed.claims:
        with pytest.raises(AssertionError):
            await claim()
