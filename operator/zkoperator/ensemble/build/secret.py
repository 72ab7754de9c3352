"""The Secret with the superuser's password. It is created once and never written again."""

import base64
import hashlib

from zkoperator.ensemble.build.manifest import manifest
from zkoperator.ensemble.model.names import SUPERUSER
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest


def secret(cluster: ValidatedCluster, password: str) -> Manifest:
    """Return the Secret: user name, password, and the digest with which members start."""
    texts = {"username": SUPERUSER, "password": password, "digest": digest(password)}
    data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    return manifest(cluster, "v1", "Secret", cluster.names.secret, type="Opaque", data=data)


def digest(password: str) -> str:
    """Return `super:` and the base64 SHA-1 of `super:password`, the form that ZooKeeper compares with."""
    # The algorithm is ZooKeeper's default and cannot be chosen here.
    hashed = hashlib.sha1(f"{SUPERUSER}:{password}".encode(), usedforsecurity=False).digest()
    return f"{SUPERUSER}:{base64.b64encode(hashed).decode()}"


def password_in(manifest: Manifest) -> str | None:
    """Return the password in the Secret, None when it has none or its digest does not match."""
    data = manifest.get("data") or {}
    try:
        password = base64.b64decode(data["password"]).decode()
        stored = base64.b64decode(data["digest"]).decode()
    except (KeyError, ValueError):
        return None
    return password if password and stored == digest(password) else None
