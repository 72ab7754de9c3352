"""How a proxy reaches the API server, and the kubeconfig by which the operator reaches the proxy."""

import base64
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
import yaml


@dataclass(frozen=True, slots=True)
class Upstream:
    """An API server and the identity used towards it."""

    url: str
    tls: ssl.SSLContext
    token: str = ""

    @classmethod
    def from_kubeconfig(cls, path: Path) -> "Upstream":
        """Read the current context of a kubeconfig (files or inline data; client certificate or token)."""
        config = yaml.safe_load(path.read_text())
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        return cls(cluster["server"], _tls(cluster, user, path.parent), user.get("token", ""))


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def _material(section: dict[str, Any], key: str, base: Path) -> bytes | None:
    if f"{key}-data" in section:
        return base64.b64decode(section[f"{key}-data"])
    return (base / section[key]).read_bytes() if key in section else None


def _tls(cluster: dict[str, Any], user: dict[str, Any], base: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if authority := _material(cluster, "certificate-authority", base):
        context.load_verify_locations(cadata=authority.decode())
    certificate, key = _material(user, "client-certificate", base), _material(user, "client-key", base)
    if certificate and key:
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(certificate + b"\n" + key)
            pair.flush()
            context.load_cert_chain(pair.name)
    return context


class Frontend:
    """The proxy's own certificate authority and its server certificate for loopback."""

    def __init__(self, *addresses: str) -> None:
        self._authority = trustme.CA()
        self._certificate = self._authority.issue_cert("localhost", "127.0.0.1", *addresses)

    def tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._certificate.configure_cert(context)
        return context

    def write_kubeconfig(self, path: Path, url: str) -> Path:
        """Write a kubeconfig that trusts this authority alone; the proxy brings its own identity upstream."""
        authority = base64.b64encode(self._authority.cert_pem.bytes()).decode()
        entry = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
            "clusters": [{"name": "proxy", "cluster": {"server": url, "certificate-authority-data": authority}}],
            "users": [{"name": "proxy", "user": {"token": "replaced-by-the-proxy"}}],
        }
        path.write_text(yaml.safe_dump(entry))
        path.chmod(0o600)
        return path
