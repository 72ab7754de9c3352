"""Finds the image that Jobs run: that of the setting, or that of the operator's own pod. I/O."""

from zkoperator.api.reasons import BackupReason
from zkoperator.backup.model.waiting import Waiting
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import PODS, KubeApi

_CONTAINER = "operator"
"""The container of the operator in its Deployment; admission may have added others to the pod."""


class ImageFinder:
    """Finds the operator's image once; it does not change while the process runs.

    Args:
        api: the Kubernetes API.
        image: of the setting, "" for that of the own pod.
        namespace, pod: of the operator itself.
    """

    def __init__(self, api: KubeApi, image: str, namespace: str, pod: str) -> None:
        self._api = api
        self._image = image
        self._namespace = namespace
        self._pod = pod

    async def find(self) -> str | Waiting:
        """Return the image, or why it is not known."""
        if not self._image:
            self._image = await self._of_own_pod()
        return self._image or Waiting(
            BackupReason.IMAGE_UNKNOWN,
            f"the operator cannot read its own image from pod {self._pod or '(unknown)'} in namespace "
            f"{self._namespace}; name it by --backup-image (ZKOPERATOR_BACKUP_IMAGE)",
        )

    async def _of_own_pod(self) -> str:
        if not self._pod:
            return ""
        try:
            pod = await self._api.get(PODS, self._namespace, self._pod)
        except ForbiddenError:
            return ""
        containers = ((pod or {}).get("spec") or {}).get("containers") or ()
        return next((str(each["image"]) for each in containers if each["name"] == _CONTAINER), "")
