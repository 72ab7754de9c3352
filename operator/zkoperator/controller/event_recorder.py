"""Creates Events. An Event that cannot be created never fails the pass that it belongs to."""

import logging
from collections.abc import Callable

from zkoperator.api.meta import ObjectMeta
from zkoperator.controller.events import Notice, build_event
from zkoperator.errors import ZkOperatorError
from zkoperator.kube.port import EVENTS, KubeApi
from zkoperator.logs import about
from zkoperator.runtime.wall_clock import micro_time_text

_log = logging.getLogger(__name__)


class EventRecorder:
    """Creates the Events of one writer.

    Args:
        api: the Kubernetes API.
        count: called before each request.
    """

    def __init__(self, api: KubeApi, count: Callable[[], object] = lambda: None) -> None:
        self._api = api
        self._count = count

    async def record(self, kind: str, meta: ObjectMeta, notice: Notice) -> None:
        """Create one Event about the object of this kind. A refused or failed request is logged, not raised."""
        self._count()
        try:
            await self._api.create(EVENTS, meta.namespace, build_event(kind, meta, notice, micro_time_text()))
        except ZkOperatorError as error:
            extra = about(kind, meta.namespace, meta.name)
            _log.debug("an Event was not written: %s", type(error).__name__, extra=extra)
