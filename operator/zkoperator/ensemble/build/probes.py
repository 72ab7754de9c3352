"""How the kubelet learns that a member has started, serves and lives. Pure."""

from typing import Any

from zkoperator.ensemble.model.names import CLIENT_PORT

_STARTUP_LIMIT_S = 3600
"""Seconds that a member may take to load its snapshot before the kubelet restarts it."""

_LOOK_S = 5
"""Seconds for which one run of the startup probe waits for an answer, and then for a quorum."""

_PORT = f"/dev/tcp/127.0.0.1/{CLIENT_PORT}"

_STARTED = f"""\
until=$((SECONDS + {_LOOK_S})) said=
while :; do
  answer=
  {{ {{ printf srvr >&3; IFS= read -r -d '' -t 2 answer <&3; }} 3<>{_PORT}; }} 2>/dev/null
  case $answer in
    *Mode:*) exit 0 ;;
    ?*) [ -n "$said" ] || {{ said=yes; until=$((SECONDS + {_LOOK_S})); }} ;;
  esac
  [ "$SECONDS" -lt "$until" ] || break
  sleep 0.2
done
[ -n "$answer" ]"""
"""Succeeds at once when the member serves, and when it has answered for a while when it does not."""

_SERVES = (
    f"exec 3<>{_PORT} && printf srvr >&3 && "
    "while IFS= read -r -t 2 line <&3; do case $line in Mode:*) exit 0 ;; esac; done; exit 1"
)
"""Succeeds while the member is in a quorum. One process, half the CPU of sh, nc and grep; zkServer.sh needs bash."""


def startup_probe() -> dict[str, Any]:
    """Return the probe of a member that starts.

    The kubelet asks whether a member is ready in the moment in which this probe succeeds, and then each other second.
    So the probe waits for the member to serve, within one run, which costs less than runs that follow one another. It
    looks for an answer and not for an open port, as the port opens before the snapshot is loaded: a liveness probe that
    began then would fill the queue of connections that nobody accepts, and end a member that loads for minutes.
    """
    return {
        "exec": {"command": ["bash", "-c", _STARTED]},
        "periodSeconds": 1,
        "failureThreshold": _STARTUP_LIMIT_S // _LOOK_S,
        "timeoutSeconds": 20,
        "successThreshold": 1,
    }


def readiness_probe() -> dict[str, Any]:
    """Return the probe of a member that has started: it is ready while it serves."""
    return {
        "exec": {"command": ["bash", "-c", _SERVES]},
        # An exec probe costs more than an idle member, so it does not run each second.
        "periodSeconds": 2,
        "failureThreshold": 3,
        "timeoutSeconds": 4,
        "successThreshold": 1,
    }


def liveness_probe() -> dict[str, Any]:
    """Return the probe of the port alone: a restart helps a member whose port is dead, not one that has no quorum."""
    return {
        "tcpSocket": {"port": CLIENT_PORT},
        "periodSeconds": 10,
        "failureThreshold": 6,
        "timeoutSeconds": 5,
        "successThreshold": 1,
    }
