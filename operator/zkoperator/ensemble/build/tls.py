"""What TLS adds to a member: keys of zoo.cfg, volumes, a port. Nothing without TLS.

The keys go into the environment of the pod and not into the ConfigMap: a container that is started again in its pod
must start with the TLS that the pod was made with, whatever the ConfigMap says meanwhile.
"""

from typing import Any

from zkoperator.api.tls import Authentication, CertificateSource, Tls
from zkoperator.ensemble.build.pod_extras import security_context
from zkoperator.ensemble.model.names import TLS, TLS_PORT
from zkoperator.ensemble.model.tls import QuorumPhase
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest

FILES = "/run/tls"
"""The folder in which a member reads its certificates. The start procedure copies the files of the Secret to it."""
_SECRET = "/certificates"  # noqa: S105 - a directory
_CLIENT_AUTH = {Authentication.NONE: "none", Authentication.OPTIONAL: "want", Authentication.REQUIRED: "need"}


def tls_cfg(cluster: ValidatedCluster) -> str:
    """Return the keys of zoo.cfg for the TLS that pods are to have now, sorted; empty without TLS."""
    spec = cluster.spec.tls or Tls()
    entries: dict[str, str] = {}
    if cluster.tls.client:
        authentication = spec.client.authentication if spec.client is not None else Authentication.NONE
        entries |= _client_keys(authentication)
    if cluster.tls.quorum is not QuorumPhase.PLAINTEXT:
        entries |= _quorum_keys(cluster.tls.quorum)
        if spec.quorum is not None and not _is_own(spec.quorum.source):
            entries |= _NAMES_OF_PEERS
    return "".join(f"{key}={value}\n" for key, value in sorted(entries.items()))


def _client_keys(authentication: Authentication) -> dict[str, str]:
    return {
        "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
        "secureClientPort": str(TLS_PORT),
        **_stores("ssl", "client"),
        "ssl.clientAuth": _CLIENT_AUTH[authentication],
        # The default differs between releases, and from what their guide says.
        "ssl.enabledProtocols": "TLSv1.3,TLSv1.2",
        "client.certReload": "true",
    }


def _quorum_keys(phase: QuorumPhase) -> dict[str, str]:
    return {
        "sslQuorum": _word(phase >= QuorumPhase.PLAINTEXT_ACCEPTED),
        "portUnification": _word(phase is not QuorumPhase.TLS),
        "sslQuorumReloadCertFiles": "true",
        **_stores("ssl.quorum", "quorum"),
        # 3.8 has no cipher suites of TLS 1.3 among its defaults: with that alone, its members never meet.
        "ssl.quorum.enabledProtocols": "TLSv1.3,TLSv1.2",
        # This is the default of 3.9. With that of 3.8 the accepting member looks for the caller's address in its
        # certificate.
        "fips-mode": "true",
        # Otherwise a follower that closes the connection to a hung leader waits for it for seconds.
        "leader.closeSocketAsync": "true",
        "learner.closeSocketAsync": "true",
    }


_NAMES_OF_PEERS = {"fips-mode": "false", "ssl.quorum.clientHostnameVerification": "false"}
"""If the authority issues certificates to others too, a member verifies the name of the peer that it dials. The
accepting member cannot verify the caller, because certificates do not contain the addresses of pods."""


def _stores(prefix: str, name: str) -> dict[str, str]:
    return {
        f"{prefix}.keyStore.location": f"{FILES}/{name}.pem",
        f"{prefix}.keyStore.type": "PEM",
        f"{prefix}.trustStore.location": f"{FILES}/{name}-ca.pem",
        f"{prefix}.trustStore.type": "PEM",
    }


def _is_own(source: CertificateSource) -> bool:
    return source.self_signed is not None


def _word(value: bool) -> str:
    return "true" if value else "false"


def has_tls(live: Manifest | None) -> bool:
    """Whether the live StatefulSet makes pods with TLS."""
    template = (live["spec"].get("template") or {}) if live is not None else {}
    return TLS in (template.get("metadata", {}).get("annotations") or {})


def has_files(cluster: ValidatedCluster) -> bool:
    """Whether a pod that is made now has certificates."""
    return bool(cluster.tls.text)


def tls_environment(cluster: ValidatedCluster) -> list[dict[str, Any]]:
    """Return what the start procedure puts into zoo.cfg."""
    return [{"name": "ZK_TLS", "value": tls_cfg(cluster)}] if has_files(cluster) else []


def tls_ports(cluster: ValidatedCluster) -> list[dict[str, Any]]:
    """Return the port of the container."""
    return [{"name": "client-tls", "containerPort": TLS_PORT, "protocol": "TCP"}] if cluster.tls.client else []


def tls_volumes(cluster: ValidatedCluster) -> list[dict[str, Any]]:
    """Return the Secret's volume and one in memory for copies of it. Servers do not notice what the kubelet changes."""
    if not has_files(cluster):
        return []
    # The kubelet gives the files to the group of the volumes. Without such a group, any user must be able to read them.
    mode = 0o440 if security_context(cluster.spec.pod).get("fsGroup") is not None else 0o444
    return [
        {"name": "certificates", "secret": {"secretName": cluster.names.tls_secret, "defaultMode": mode}},
        {"name": "tls", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
    ]


def tls_mounts(cluster: ValidatedCluster) -> list[dict[str, Any]]:
    """Return where the two volumes are."""
    if not has_files(cluster):
        return []
    return [
        {"name": "certificates", "mountPath": _SECRET, "readOnly": True},
        {"name": "tls", "mountPath": FILES},
    ]
