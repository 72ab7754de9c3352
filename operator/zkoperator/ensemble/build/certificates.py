"""The objects that hold certificates: the members' Secret, that of the CA, the bundle of clients, requests. Pure."""

from base64 import b64encode
from collections.abc import Mapping

from zkoperator.api.tls import IssuerRef
from zkoperator.ensemble.build.manifest import manifest
from zkoperator.ensemble.model.names import WRITTEN
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest
from zkoperator.pki.authority import Authority
from zkoperator.pki.certificates import pem_of
from zkoperator.pki.files import File
from zkoperator.pki.keys import pkcs8

BUNDLE_KEY = File.PUBLISHED.value
"""Key of the ConfigMap, as programs expect a CA."""


def secret_of_files(cluster: ValidatedCluster, name: str) -> Manifest:
    """Return an empty Secret of the cluster."""
    return manifest(cluster, "v1", "Secret", name, type="Opaque")


def file_patch(file: File, content: bytes, now: str) -> Manifest:
    """Return the patch that writes one file and the time of this write."""
    return {
        "metadata": {"annotations": {f"{WRITTEN}{file}": now}},
        "data": {file.value: b64encode(content).decode()},
    }


def dropping_patch(files: frozenset[str]) -> Manifest:
    """Return the patch that removes files."""
    return {
        "metadata": {"annotations": {f"{WRITTEN}{file}": None for file in sorted(files)}},
        "data": dict.fromkeys(sorted(files)),
    }


def authority_data(authority: Authority) -> Mapping[str, bytes]:
    """Return the entries of a generation in the CA's Secret."""
    if authority.key is None:
        return {}
    name = f"g{authority.number}"
    return {f"{name}.crt": pem_of([authority.certificate]), f"{name}.key": pkcs8(authority.key)}


def bundle_config_map(cluster: ValidatedCluster, bundle: str) -> Manifest:
    """Return the ConfigMap by which clients verify members."""
    return manifest(cluster, "v1", "ConfigMap", cluster.names.ca_bundle, data={BUNDLE_KEY: bundle})


def certificate_request(cluster: ValidatedCluster, purpose: str, issuer: IssuerRef, names: tuple[str, ...]) -> Manifest:
    """Return the Certificate by which cert-manager is asked for a leaf with these names."""
    spec: Manifest = {
        "secretName": cluster.names.certificate_secret(purpose),
        "issuerRef": {"name": issuer.name, "kind": issuer.kind, "group": issuer.group},
        "dnsNames": list(names),
        # By default cert-manager writes PKCS#1 keys and certificates for servers alone, which would have to be
        # converted.
        "privateKey": {"algorithm": "ECDSA", "size": 256, "encoding": "PKCS8", "rotationPolicy": "Always"},
        "usages": ["digital signature", "key encipherment", "server auth", "client auth"],
    }
    return manifest(cluster, "cert-manager.io/v1", "Certificate", cluster.names.certificate(purpose), spec=spec)
