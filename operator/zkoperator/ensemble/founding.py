"""The one creation of an ensemble: permitted once, recorded in status, withdrawn when a quorum has served.

The permission needs more than an empty status, which a re-created object has as well: no claim may say that its volume
belonged to an ensemble. With such claims the ensemble is taken up from its volumes, and nothing is founded.
"""

from zkoperator.ensemble.claims import LEFT, MEMBER
from zkoperator.ensemble.desired import is_founded
from zkoperator.ensemble.steps import RecordBootstrap, Step
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.ensemble.world import World


def refusal(cluster: ValidatedCluster, world: World) -> str:
    """Return why the ensemble may neither be founded nor taken up, empty when it may."""
    left = [claim.name for claim in world.claims.values() if claim.membership == LEFT]
    kept = any(claim.membership == MEMBER for claim in world.claims.values())
    if cluster.status.bootstrap is not None or kept or not left:
        return ""
    return (
        f"claims {', '.join(sorted(left))} hold data of an earlier ensemble whose members' claims are gone; "
        "delete them to start with an empty ensemble"
    )


def bootstrap_steps(cluster: ValidatedCluster, world: World) -> tuple[Step, ...]:
    """Return the record that is due: the permission before anything else, its end after the claims are noted."""
    recorded = cluster.status.bootstrap
    if recorded is None:
        return (_first_record(cluster, world),)
    noted = all(world.claims[m].membership == MEMBER for m in world.voters if m in world.claims)
    if not is_founded(cluster) and world.committed is not None and noted:
        return (RecordBootstrap(recorded.members, complete=True),)
    return ()


def _first_record(cluster: ValidatedCluster, world: World) -> RecordBootstrap:
    kept = [claim.member for claim in world.claims.values() if claim.membership == MEMBER]
    if kept:
        return RecordBootstrap(max(kept), complete=True)
    return RecordBootstrap(cluster.spec.replicas, complete=False)
