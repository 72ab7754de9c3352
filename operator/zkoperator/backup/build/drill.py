"""The container that becomes the server of a drill: the ensemble's image, as it is, and a line of shell. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from zkoperator.kube.port import Manifest

DRILL: Final = "/drill"
"""The folder that both containers of the pod see."""
_MIB: Final = 1024 * 1024
_LEAST_HEAP_MIB: Final = 256
_BESIDE_HEAP_MIB: Final = 256
_TIMES: Final = 5
"""Of the size of the snapshot file, in the heap: znodes that have almost no data take so much more."""
_FLAGS: Final = (
    # The Job is no superuser of the tree. Nobody but the pod itself reaches the server.
    "-Dzookeeper.skipACL=yes",
    "-Dzookeeper.db.autocreate=false",
)
_SCRIPT: Final = f"""\
until [ -e {DRILL}/ready ]; do sleep 0.2; done
exec zkServer.sh start-foreground"""


@dataclass(frozen=True, slots=True)
class Server:
    """What the server of a drill is made of.

    Args:
        image: of the ensemble.
        pull_secrets: names of the Secrets with which it is pulled.
    """

    image: str
    pull_secrets: tuple[str, ...] = ()


def server_of(cluster: Mapping[str, Any] | None, default_image: str) -> Server:
    """Return what the members of a ZooKeeperCluster are made of; the default image for one that is gone, or outside."""
    spec = (cluster or {}).get("spec") or {}
    secrets = (str(each["name"]) for each in spec.get("imagePullSecrets") or ())
    return Server(str(spec.get("image") or default_image), tuple(secrets))


def server_container(server: Server, file_bytes: int) -> Manifest:
    """Return the container, which runs beside the Job's own one and is ended with it.

    Args:
        server: what it is made of.
        file_bytes: size of the snapshot file.
    """
    heap_mib = _LEAST_HEAP_MIB + _TIMES * file_bytes // _MIB
    memory = f"{heap_mib + heap_mib // 4 + _BESIDE_HEAP_MIB}Mi"
    environment = {
        "ZOOCFGDIR": f"{DRILL}/conf",
        "ZK_SERVER_HEAP": str(heap_mib),
        "JMXDISABLE": "true",
        "SERVER_JVMFLAGS": " ".join(_FLAGS),
    }
    return {
        "name": "server",
        "image": server.image,
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        "command": ["sh", "-c", _SCRIPT],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "volumeMounts": [
            {"name": "drill", "mountPath": DRILL},
            {"name": "scratch", "mountPath": "/logs"},
            {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod alone
        ],
        "resources": {"requests": {"cpu": "100m", "memory": memory}, "limits": {"memory": memory}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
