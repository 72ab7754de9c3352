"""Pods of no ensemble: what clients inside the cluster see. They run under Pod Security `restricted`."""

import asyncio
import secrets
import subprocess
from collections.abc import Mapping
from typing import Any

from tests.support.waiting import eventually
from tests.support.worlds.ensemble_story import Place

_USER = 1000


class Stranger:
    """Runs commands, each in a pod of its own.

    Args:
        space: the namespace of the pods.
        image: of the pods; one that the nodes have.
        mounts: volumes by the name of their directory below the root.
        environment: variables of the container.
    """

    def __init__(
        self,
        space: Place,
        image: str,
        *,
        mounts: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._space = space
        self._image = image
        self._mounts = mounts or {}
        self._environment = environment or {}

    async def runs(self, *command: str) -> str:
        """What the command prints, whether it succeeds or not."""
        name = f"stranger-{secrets.token_hex(3)}"
        await self._space.apply(self._pod(name, command))

        async def ended() -> bool:
            pod = await self._space.get("pods", name)
            return pod is not None and pod["status"].get("phase") in ("Succeeded", "Failed")

        await eventually(ended, within_s=420, every_s=0.5)
        logs = ["kubectl", "-n", self._space.name, "logs", name]
        done = await asyncio.to_thread(subprocess.run, logs, capture_output=True, text=True, check=True)
        return str(done.stdout)

    def _pod(self, name: str, command: tuple[str, ...]) -> dict[str, Any]:
        container = {
            "name": "stranger",
            "image": self._image,
            "imagePullPolicy": "IfNotPresent",
            "command": [*command],
            "env": [{"name": key, "value": value} for key, value in self._environment.items()],
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
            "volumeMounts": [{"name": volume, "mountPath": f"/{volume}"} for volume in self._mounts],
        }
        restricted = {"runAsNonRoot": True, "runAsUser": _USER, "seccompProfile": {"type": "RuntimeDefault"}}
        spec = {
            "restartPolicy": "Never",
            "securityContext": restricted,
            "containers": [container],
            "volumes": [{"name": volume, **source} for volume, source in self._mounts.items()],
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
