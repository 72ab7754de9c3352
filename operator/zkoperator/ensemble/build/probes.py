"""How the kubelet learns that a member has started, serves and lives. Pure.

With a TLS port, plaintext is on all addresses or, under another number, on loopback alone. The kubelet does not know
which, and a handshake that it does not finish would be an error in the log of the member, so it asks from inside.
"""

from typing import Any

from zkoperator.ensemble.model.names import CLIENT_PORT, LOOPBACK_PORT
from zkoperator.ensemble.validate import ValidatedCluster

_STARTUP_LIMIT_S = 3600
"""Seconds that a member may take to load its snapshot before the kubelet restarts it."""

_LOOK_S = 5
"""Seconds for which one run of the startup probe waits for an answer, and then for a quorum."""

_STARTED = """\
until=$((SECONDS + LOOK)) said=
while :; do
  answer=
  for port in PORTS; do
    { { printf srvr >&3; IFS= read -r -d '' -t 2 answer <&3; } 3<>/dev/tcp/127.0.0.1/$port; } 2>/dev/null
    [ -z "$answer" ] || break
  done
  case $answer in
    *Mode:*) exit 0 ;;
    ?*) [ -n "$said" ] || { said=yes; until=$((SECONDS + LOOK)); } ;;
  esac
  [ "$SECONDS" -lt "$until" ] || break
  sleep 0.2
done
[ -n "$answer" ]"""
"""Succeeds at once when the member serves. Otherwise it succeeds once the member has answered for a while."""

_SERVES = (
    " && printf srvr >&3 && while IFS= read -r -t 2 line <&3; do case $line in Mode:*) exit 0 ;; esac; done; exit 1"
)
"""Succeeds while the member is in a quorum. One process, half the CPU of sh, nc and grep; zkServer.sh needs bash."""


def startup_probe(cluster: ValidatedCluster) -> dict[str, Any]:
    """Return the probe of a member that starts.

    The kubelet asks whether a member is ready in the moment in which this probe succeeds, and then each other second.
    So the probe waits for the member to serve, within one run, which costs less than runs that follow one another. It
    looks for an answer and not for an open port, as the port opens before the snapshot is loaded: a liveness probe that
    began then would fill the queue of connections that nobody accepts, and end a member that loads for minutes.
    """
    return {
        **_bash(_STARTED.replace("LOOK", str(_LOOK_S)).replace("PORTS", " ".join(map(str, _ports(cluster))))),
        "periodSeconds": 1,
        "failureThreshold": _STARTUP_LIMIT_S // _LOOK_S,
        "timeoutSeconds": 20,
        "successThreshold": 1,
    }


def readiness_probe(cluster: ValidatedCluster) -> dict[str, Any]:
    """Return the probe of a member that has started: it is ready while it serves."""
    return {
        **_bash(_connect(cluster) + _SERVES),
        # An exec probe costs more than an idle member, so it does not run each second.
        "periodSeconds": 2,
        "failureThreshold": 3,
        "timeoutSeconds": 4,
        "successThreshold": 1,
    }


def liveness_probe(cluster: ValidatedCluster) -> dict[str, Any]:
    """Return the probe of the port alone: a restart helps a member whose port is dead, not one that has no quorum."""
    return {
        **(_bash(_connect(cluster)) if cluster.tls.client else {"tcpSocket": {"port": CLIENT_PORT}}),
        "periodSeconds": 10,
        "failureThreshold": 6,
        "timeoutSeconds": 5,
        "successThreshold": 1,
    }


def _ports(cluster: ValidatedCluster) -> tuple[int, ...]:
    return (LOOPBACK_PORT, CLIENT_PORT) if cluster.tls.client else (CLIENT_PORT,)


def _connect(cluster: ValidatedCluster) -> str:
    first, *others = (f"exec 3<>/dev/tcp/127.0.0.1/{port}" for port in _ports(cluster))
    return f"{{ {' || '.join((first, *others))}; }} 2>/dev/null" if others else first


def _bash(script: str) -> dict[str, Any]:
    return {"exec": {"command": ["bash", "-c", script]}}
