"""What a client of a ZooKeeperCluster finds in the object about TLS. Pure."""

from typing import Any, Final

from zkoperator.kube.port import Manifest

_CLIENT_PORT: Final = 2181
_TLS_PORT: Final = 2281
_LOOPBACK_PORT: Final = 2180
"""The plaintext port that only the member's own pod reaches, while other clients are refused plaintext."""

_REQUIRED = "Required"
"""The word of a ZooKeeperCluster whose clients must show a certificate."""


def shell_port(cluster: Manifest | None) -> int:
    """Return the port on which a member takes connections without TLS from inside its pod."""
    endpoint = str(((cluster or {}).get("status") or {}).get("endpoint", ""))
    return _LOOPBACK_PORT if endpoint.endswith(f":{_TLS_PORT}") else _CLIENT_PORT


def tls_hosts(cluster: Manifest) -> str:
    """Return the connect string for TLS, empty while not all members have the port."""
    return str((_tls_status(cluster).get("client") or {}).get("hosts") or "")


def bundle_of(cluster: Manifest) -> str:
    """Return the ConfigMap with the authorities in its key `ca.crt`, empty where the status names none."""
    return str(_tls_status(cluster).get("caBundle") or "")


def asks_for_certificate(cluster: Manifest) -> bool:
    """Return whether clients have to show a certificate."""
    return client_of(cluster).get("authentication") == _REQUIRED


def client_of(cluster: Manifest) -> dict[str, Any]:
    """Return what the spec says about TLS of clients, nothing where it says nothing."""
    return ((cluster["spec"].get("tls") or {}).get("client")) or {}


def _tls_status(cluster: Manifest) -> dict[str, Any]:
    return ((cluster.get("status") or {}).get("tls")) or {}
