"""The command for a ZooKeeper shell in a pod of its own, with what the client port of the ensemble asks for. Pure."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from zkoperator.api.tls import Authentication
from zkoperator.ensemble.model.names import TLS_PORT, Names

CERTIFICATE_OF_YOURS: Final = "CERTIFICATE-OF-YOURS"
"""Stands for a Secret of type `kubernetes.io/tls` where members ask clients for a certificate."""

_NAME: Final = "zkcli"
_TLS: Final = (
    "-Dzookeeper.client.secure=true",
    "-Dzookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty",
    "-Dzookeeper.ssl.trustStore.location=/ca/ca.pem",
)
_SHOWN: Final = "-Dzookeeper.ssl.keyStore.location=/tmp/client.pem"
# ZooKeeper reads key and certificate from one file.
_ASSEMBLED: Final = "cat /client/tls.key /client/tls.crt >/tmp/client.pem && exec "


def shell_pod(place: Sequence[str], cluster: Mapping[str, Any], image: str) -> str:
    """Return the command line, for a shell of the user's.

    Args:
        place: the flags of kubectl that say where.
        cluster: the ZooKeeperCluster.
        image: of ZooKeeper, with which the pod runs.
    """
    endpoint = str((cluster.get("status") or {}).get("endpoint", ""))
    secure = endpoint.endswith(f":{TLS_PORT}")
    shows = secure and _authentication(cluster) == Authentication.REQUIRED
    shell = ["zkCli.sh", "-server", endpoint]
    words = ["sh", "-c", _ASSEMBLED + shlex.join(shell)] if shows else shell
    spec = _restricted()
    if secure:
        _add_volume(
            spec, "ca", {"configMap": {"name": _bundle(cluster), "items": [{"key": "ca.crt", "path": "ca.pem"}]}}
        )
        flags = (*_TLS, _SHOWN) if shows else _TLS
        spec["containers"][0]["env"] = [{"name": "CLIENT_JVMFLAGS", "value": " ".join(flags)}]
    if shows:
        _add_volume(spec, "client", {"secret": {"secretName": CERTIFICATE_OF_YOURS}})
    overrides = json.dumps({"spec": spec}, separators=(",", ":"))
    run = ["run", _NAME, "--rm", "-it", "--restart=Never", f"--image={image}", "--override-type=strategic"]
    return shlex.join(["kubectl", *place, *run, f"--overrides={overrides}", "--", *words])


def _restricted() -> dict[str, Any]:
    """Return what Pod Security `restricted` asks for, with the user that images of ZooKeeper have."""
    own = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    pod = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    return {"securityContext": pod, "containers": [{"name": _NAME, "securityContext": own}]}


def _add_volume(spec: dict[str, Any], name: str, source: Mapping[str, Any]) -> None:
    spec.setdefault("volumes", []).append({"name": name, **source})
    spec["containers"][0].setdefault("volumeMounts", []).append({"name": name, "mountPath": f"/{name}"})


def _authentication(cluster: Mapping[str, Any]) -> str:
    client = ((cluster.get("spec") or {}).get("tls") or {}).get("client") or {}
    return str(client.get("authentication", Authentication.NONE))


def _bundle(cluster: Mapping[str, Any]) -> str:
    meta = cluster["metadata"]
    return Names(meta["namespace"], meta["name"]).ca_bundle
