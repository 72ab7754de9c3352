"""A certificate authority of a cluster's own, made anew with it, and the kubeconfig files that rest on it."""

import base64
import dataclasses
import json
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


@dataclasses.dataclass(frozen=True, slots=True)
class Credential:
    """A certificate chain and its key, PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """Issues certificates; its own files are `ca.crt` and `ca.key` in the directory."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self.certificate = self._ca.cert_pem.bytes()
        (directory / "ca.crt").write_bytes(self.certificate)
        write_secret(directory / "ca.key", self._ca.private_key_pem.bytes())

    def issue(self, user: str, group: str | None = None, names: tuple[str, ...] = ()) -> Credential:
        """Return a certificate whose common name is a Kubernetes user and whose organization is a group.

        Args:
            user: The common name.
            group: The organization; none for a plain user.
            names: Host names and addresses of a server.
        """
        leaf = self._ca.issue_cert(
            *(names or ("client.invalid",)), common_name=user, organization_name=group, key_type=trustme.KeyType.ECDSA
        )
        chain = b"".join(part.bytes() for part in leaf.cert_chain_pems)
        return Credential(chain, leaf.private_key_pem.bytes())

    def write(self, name: str, credential: Credential) -> None:
        """Write `name.crt` and `name.key` beside the authority's own files."""
        (self.directory / f"{name}.crt").write_bytes(credential.certificate)
        write_secret(self.directory / f"{name}.key", credential.key)

    def write_signing_key(self, name: str) -> None:
        """Write a key pair for service account tokens, `name.key` and `name.pub`."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_secret(self.directory / f"{name}.key", private)
        (self.directory / f"{name}.pub").write_bytes(public)


def write_kubeconfig(
    file: Path, *, server: str, authority: bytes, user: Credential | str, namespace: str = "default"
) -> None:
    """Write a kubeconfig that needs no other file.

    Args:
        file: Where; only its owner may read it.
        server: The URL of the API server.
        authority: The certificate that the server's is checked against, PEM.
        user: A certificate, or a bearer token.
        namespace: The default namespace.
    """
    if isinstance(user, str):
        secret: dict[str, str] = {"token": user}
    else:
        secret = {
            "client-certificate-data": _base64(user.certificate),
            "client-key-data": _base64(user.key),
        }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "testbed",
        "clusters": [
            {"name": "testbed", "cluster": {"server": server, "certificate-authority-data": _base64(authority)}}
        ],
        "users": [{"name": "testbed", "user": secret}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "testbed", "namespace": namespace}}],
    }
    write_secret(file, json.dumps(document, indent=1).encode())


def write_secret(file: Path, data: bytes) -> None:
    """Write a file that only its owner may read, from the first byte on."""
    file.touch(mode=0o600)
    file.write_bytes(data)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
