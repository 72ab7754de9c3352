"""Whether a ZooKeeperCluster of another namespace permits what a ConfigSync asks for. I/O: the namespace's labels."""

from zkoperator.controller.grant_check import GrantRequest, refusal_of
from zkoperator.kube.port import KubeApi, Manifest
from zkoperator.mirror.validate import Asked, ValidatedSync
from zkoperator.runtime.keys import Key


class GrantChecker:
    """Compares a ConfigSync with the grants of the ZooKeeperCluster that it names."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def refusal(self, sync: ValidatedSync, asked: Asked, cluster: Manifest | None) -> str | None:
        """Return why the ConfigSync may not use the cluster, None when it may.

        Args:
            sync: the ConfigSync.
            asked: where the ZooKeeperCluster is, and what is to be done with it.
            cluster: the ZooKeeperCluster; None when there is none.
        """
        named = Key(asked.namespace, str(sync.source.cluster))
        request = GrantRequest(sync.namespace, named, asked.access, sync.source.roots)
        return await refusal_of(self._api, request, cluster)
