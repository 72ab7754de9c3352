"""The founding of an ensemble: permitted once, recorded in status, and withdrawn when a quorum has served. Pure.

An empty status does not suffice for the permission, because a re-created object has one too: no claim may be annotated
as that of a member. With such claims the ensemble starts from its volumes, and none is founded.
"""

from zkoperator.api.cluster import StorageType
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.ownership import Owner, owner_of
from zkoperator.ensemble.plan.claim_steps import LEFT, MEMBER
from zkoperator.ensemble.plan.steps import RecordBootstrap, Step
from zkoperator.ensemble.validate import UNKNOWN_ENSEMBLE, ValidatedCluster


def founding_obstacle(cluster: ValidatedCluster, observed: Observed) -> str:
    """Return why an ensemble can neither be founded nor started from its volumes, empty when it can."""
    if cluster.status.bootstrap is not None:
        return ""
    claims = observed.claims.values()
    kept = ", ".join(sorted(claim.name for claim in claims if claim.membership == MEMBER))
    left = ", ".join(sorted(claim.name for claim in claims if claim.membership == LEFT))
    if going := ", ".join(sorted(claim.name for claim in claims if claim.deleting)):
        return f"waiting for the end of claims {going} of an earlier ensemble, which are being deleted"
    if kept and cluster.spec.storage.type is StorageType.EPHEMERAL:
        return (
            f"claims {kept} hold data of an earlier ensemble, and spec.storage.type is Ephemeral: create the cluster "
            "as Persistent to take it up, or delete them to start with an empty one"
        )
    if left and not kept:
        return (
            f"claims {left} hold data of an earlier ensemble whose members' claims are gone; delete them to start with "
            "an empty ensemble"
        )
    if len(ensembles := _ensembles(observed)) > 1:
        listed = "; ".join(f"{names} of ensemble {ensemble}" for ensemble, names in sorted(ensembles.items()))
        return f"the claims are those of {len(ensembles)} ensembles: {listed}; delete those that are not to be taken up"
    return ""


def bootstrap_steps(cluster: ValidatedCluster, observed: Observed) -> tuple[Step, ...]:
    """Return the due record: the permission first of all steps, its end once the claims of the voters are annotated."""
    recorded = cluster.status.bootstrap
    if recorded is None:
        return (_first_record(cluster, observed),)
    if lacks_founder(cluster):
        return (RecordBootstrap(recorded.members, recorded.complete, _founder(cluster, observed)),)
    claims = (observed.claims[member] for member in observed.voters if member in observed.claims)
    # A claim that is being deleted is not annotated any more.
    noted = all(claim.membership == MEMBER or claim.deleting for claim in claims)
    if not cluster.is_founded and observed.committed is not None and noted:
        return (RecordBootstrap(recorded.members, complete=True),)
    return ()


def _first_record(cluster: ValidatedCluster, observed: Observed) -> RecordBootstrap:
    """Return the first record.

    A claim without annotation may belong to a member that started before its operator could annotate the claim.

    The members can only reach a quorum if all that may be members have pods.
    """
    claimed = [claim.member for claim in observed.claims.values() if claim.membership != LEFT]
    if any(claim.membership == MEMBER for claim in observed.claims.values()):
        return RecordBootstrap(max(claimed), complete=True, ensemble=next(iter(_ensembles(observed)), UNKNOWN_ENSEMBLE))
    if (ensemble := _left_behind(cluster, observed)) and observed.recorded:
        return RecordBootstrap(
            max(server.id for server in observed.recorded if server.voting), complete=True, ensemble=ensemble
        )
    # An operator that ended early has not recorded with which mark it let members start.
    ensemble = UNKNOWN_ENSEMBLE if claimed else cluster.meta.uid
    return RecordBootstrap(max([cluster.spec.replicas, *claimed]), complete=False, ensemble=ensemble)


def lacks_founder(cluster: ValidatedCluster) -> bool:
    """Whether the record does not name the ensemble, because an earlier version of the operator wrote it."""
    return cluster.status.bootstrap is not None and not cluster.status.bootstrap.ensemble


def _founder(cluster: ValidatedCluster, observed: Observed) -> str:
    """Return the uid of the object that founded the ensemble.

    The claims of a restored object have that of the original.
    """
    ensembles = _ensembles(observed)
    return next(iter(ensembles)) if len(ensembles) == 1 else cluster.meta.uid


def _left_behind(cluster: ValidatedCluster, observed: Observed) -> str:
    """Return the founded ensemble whose ConfigMap was left without its cluster, empty when there is none."""
    config = observed.children.get(Child.CONFIG_MAP)
    if config is None or owner_of(cluster, config) is not Owner.NOBODY:
        return ""
    data = config.get("data") or {}
    return "" if data.get("bootstrap") else data.get("ensemble") or UNKNOWN_ENSEMBLE


def _ensembles(observed: Observed) -> dict[str, str]:
    """Return the ensembles whose members' claims are there, each with the names of its claims."""
    found: dict[str, list[str]] = {}
    for claim in observed.claims.values():
        if claim.membership == MEMBER and claim.ensemble:
            found.setdefault(claim.ensemble, []).append(claim.name)
    return {ensemble: ", ".join(sorted(names)) for ensemble, names in found.items()}
