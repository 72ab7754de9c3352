"""The fake API server with kubelets behind it that answer with texts: logs and metrics of pods."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping

from tests.support.fakes.kube import FakeKube, Operation
from zkoperator.errors import TransientError
from zkoperator.kube.port import Resource

_NO_PARAMS: Mapping[str, str] = {}


class KubeWithTexts(FakeKube):
    """One API server.

    Attributes:
        texts: the answer of a subresource, by the name of the pod, the subresource and, after a blank, `previous`.
        streams: what each next request to follow a log gets, by the name of the pod; then it is gone.
        asked: the parameters of every such request.
    """

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self.streams: defaultdict[str, list[list[str]]] = defaultdict(list)
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def text(
        self, resource: Resource, namespace: str, name: str, subresource: str, params: Mapping[str, str] = _NO_PARAMS
    ) -> str:
        """Return the text, as one that cannot be read where there is none."""
        await self._enter(Operation("get", resource, namespace, name, subresource))
        self.asked.append((name, dict(params)))
        which = f"{name} {subresource}{' previous' if params.get('previous') else ''}"
        if which not in self.texts:
            raise TransientError(f"get pods/{subresource} {name}: there is none")
        return self.texts[which]

    async def lines(
        self, resource: Resource, namespace: str, name: str, subresource: str, params: Mapping[str, str]
    ) -> AsyncGenerator[str, None]:
        """Yield the lines of the next stream."""
        await self._enter(Operation("get", resource, namespace, name, subresource))
        self.asked.append((name, dict(params)))
        if not self.streams[name]:
            raise TransientError(f"get pods/log {name}: the container does not run")
        for line in self.streams[name].pop(0):
            yield line
