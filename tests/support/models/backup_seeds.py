"""The guards of backups, each with the bug that takes it out and the claims that must then fail."""

from types import ModuleType

import pytest

from tests.support.models.seeds import Bug, Seed, claim_with, rewritten
from tests.unit.backup import test_crashes as crashes
from tests.unit.backup import test_reconcile as stories
from zkoperator.backup import reconcile
from zkoperator.backup.build import job as jobs
from zkoperator.backup.observe import observer
from zkoperator.backup.order import Reason
from zkoperator.backup.plan import deletion, plan


def entry(module: ModuleType, name: str, old: str, new: str) -> Bug:
    """Return the bug in a function that the reconciler calls by its own name for it."""

    def bug(patch: pytest.MonkeyPatch) -> None:
        rewritten(module, name, old, new)(patch)
        patch.setattr(reconcile, name, getattr(module, name))

    return bug


KILLED = crashes.test_a_kill_at_any_write_takes_no_second_backup_and_leaves_nothing

SEEDS = (
    Seed(
        "the directory has the uid of the cluster",
        rewritten(jobs, "directory", "cluster.name, cluster.uid", 'cluster.name, ""'),
        (stories.test_the_order_names_the_cluster_by_its_uid_and_the_last_backup_beside_it,),
    ),
    Seed(
        "a cluster that was made anew is another one",
        rewritten(plan, "_with_needs", 'not in ("", place)', "is None"),
        (stories.test_a_cluster_that_was_made_anew_is_not_taken_for_the_one_of_the_backup,),
    ),
    Seed(
        "the directory is written down before there is a Job",
        rewritten(plan, "_with_needs", 'if backup.status.directory == "":', "if False:"),
        (
            claim_with(
                crashes.test_a_kill_at_any_write_takes_no_second_backup_and_leaves_nothing, crashes.smoothly, True
            ),
        ),
    ),
    Seed(
        "the finalizer is there before there is a Job",
        rewritten(plan, "_next_job", "if backup.deletes_data and not backup.has_finalizer:", "if False:"),
        (stories.test_with_the_object_goes_its_data,),
    ),
    Seed(
        "the Job of another object is not ours",
        entry(plan, "make_plan", "seen.job.owner_uid != backup.meta.uid", "False"),
        (stories.test_the_job_of_an_earlier_backup_of_the_name_is_not_taken_for_ours,),
    ),
    Seed(
        "nothing is deleted while a pod may still write",
        entry(deletion, "deletion_plan", "if seen.busy:", "if False:"),
        (stories.test_a_backup_that_is_deleted_while_it_is_taken_leaves_nothing_behind,),
    ),
    Seed(
        "a Job that has failed to delete does not let the object go",
        rewritten(deletion, "_at_job", "if not isinstance(outcome, Waiting):", "if True:"),
        (stories.test_a_storage_that_does_not_answer_holds_the_object_and_says_how_to_let_go,),
    ),
    Seed(
        "attempts are counted in the status",
        rewritten(plan, "_failed", "attempts >= MAX_ATTEMPTS", "False"),
        (stories.test_a_backup_that_keeps_failing_is_given_up_after_some_attempts,),
    ),
    Seed(
        "what no Job would do better is given up",
        rewritten(plan, "_failed", "why.reason in BACKUP_GIVEN_UP or", ""),
        (
            claim_with(
                stories.test_a_failure_is_told_with_its_reason_and_given_up_only_when_no_job_would_do_better,
                Reason.STORAGE_FULL,
            ),
        ),
    ),
    Seed(
        "the Job of a complete backup goes when the status has its result",
        rewritten(plan, "_tidy", "Plan(RemoveJob(job.name, job.uid), look_again_s=POLL_S)", "Plan()"),
        (stories.test_the_job_of_a_complete_backup_is_deleted_and_that_of_a_failed_one_stays_for_its_log,),
    ),
    Seed(
        "the pod of another Job tells nothing of this one",
        rewritten(observer, "Observer._job", "if _owner_of(pod) == uid", ""),
        (stories.test_pods_of_an_earlier_job_tell_nothing_of_this_one,),
    ),
)
