"""Objects that hold it wrong, each with the field and the advice that whoever refuses it must give.

One table for both judges: the operator's models (unit tests) and a real API server with our CRDs (integration tests).
`bad_pods.py`, `bad_clusters.py`, `bad_syncs.py`, `bad_backups.py` and `bad_tenants.py` have the entries.
"""

from tests.support.models.bad_backups import BACKUPS, SCHEDULES
from tests.support.models.bad_clusters import CLUSTERS
from tests.support.models.bad_pods import PODS
from tests.support.models.bad_syncs import SYNCS
from tests.support.models.bad_tenants import TENANTS

BAD_OBJECTS = (*PODS, *CLUSTERS, *SYNCS, *BACKUPS, *SCHEDULES, *TENANTS)
