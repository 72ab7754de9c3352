"""Acts on the signatures of other operators: asks whether they still run, and reports those that do. I/O.

Another operator is reported in an Event, a log line and a metric. Its signature is never replaced for its own sake: two
operators that correct one another would never stop.
"""

import asyncio
import logging

from zkoperator.api.meta import ObjectMeta
from zkoperator.controller.event_recorder import EventRecorder
from zkoperator.controller.events import Notice
from zkoperator.controller.other_operators import Finding, Subject
from zkoperator.errors import ZkOperatorError
from zkoperator.kube.port import KubeApi
from zkoperator.logs import about
from zkoperator.runtime.clock import MONOTONIC, Clock
from zkoperator.runtime.heartbeat import Heartbeat

PAUSE_S = 1.0
"""Between two findings: a thousand objects with another signature must not cause a thousand writes at once."""

_log = logging.getLogger(__name__)


class OtherOperatorsReporter:
    """Works off findings one by one.

    Args:
        api: the Kubernetes API; not a `SignedApi`.
        name: the signature of this operator.
        clock: monotonic time.
    """

    def __init__(self, api: KubeApi, name: str, clock: Clock = MONOTONIC) -> None:
        self._api = api
        self._name = name
        self._recorder = EventRecorder(api)
        self._heartbeat = Heartbeat(clock)
        self._findings: dict[Subject, Finding] = {}
        self._has_findings = asyncio.Event()

    def stalled_s(self) -> float:
        """Return the seconds since `run` should have moved."""
        return self._heartbeat.late_s()

    def add(self, subject: Subject, finding: Finding) -> None:
        """Take a finding in; it replaces an earlier one about the same object."""
        self._findings[subject] = finding
        self._has_findings.set()

    async def run(self) -> None:
        """Work off findings until cancelled."""
        while True:
            self._heartbeat.rest()
            await self._has_findings.wait()
            self._heartbeat.beat()
            subject = next(iter(self._findings))
            finding = self._findings.pop(subject)
            if not self._findings:
                self._has_findings.clear()
            await (self._report(subject, finding) if finding.is_proven else self._ask(subject))
            await self._heartbeat.sleep(PAUSE_S)

    async def _ask(self, subject: Subject) -> None:
        """Sign a status that another operator had signed before we came: if that one still runs, it will report us."""
        patch = {"status": {"operator": self._name}}
        try:
            await self._api.patch(subject.resource, *subject.key, patch, subresource="status")
        except ZkOperatorError as error:
            extra = about(subject.resource.kind, *subject.key)
            _log.debug("a status was not signed: %s", type(error).__name__, extra=extra)

    async def _report(self, subject: Subject, finding: Finding) -> None:
        note = (
            f"another operator, {finding.other}, writes to this object as well as this one, {self._name}: remove"
            " one of the two Deployments, or give each its own ZKOPERATOR_NAMESPACES"
        )
        kind = subject.resource.kind
        _log.warning("%s", note, extra=about(kind, *subject.key))
        meta = ObjectMeta.model_validate(finding.manifest["metadata"])
        await self._recorder.record(kind, meta, Notice("Warning", "AnotherOperator", note, "Observe"))
