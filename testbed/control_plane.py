"""etcd, the API server and the controllers: their files and command lines, the same for both sizes of cluster."""

import dataclasses
import ipaddress
import json
from collections.abc import Sequence
from pathlib import Path

from testbed.pki import Authority, write_kubeconfig

ADDONS_USER = "testbed-addons"
"""The user of the testbed's own controllers, which poll; the audit log is spared of them."""

_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "None", "users": [ADDONS_USER]}, {"level": "Metadata"}],
}
_USERS = {
    "admin": ("admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", None),
    "scheduler": ("system:kube-scheduler", None),
    "proxy": ("system:kube-proxy", None),
    ADDONS_USER: (ADDONS_USER, "system:masters"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class ControlPlane:
    """Where the parts of one control plane listen and keep their files."""

    binaries: Path
    directory: Path
    address: str
    port: int
    etcd_address: str
    etcd_port: int
    etcd_peer_port: int
    services: str
    """The range of Service addresses."""

    @property
    def url(self) -> str:
        """The URL of the API server."""
        return f"https://{self.address}:{self.port}"

    @property
    def etcd_url(self) -> str:
        """The URL of etcd for clients."""
        return f"http://{self.etcd_address}:{self.etcd_port}"

    @property
    def pki(self) -> Path:
        """The directory of certificates and keys."""
        return self.directory / "pki"

    @property
    def logs(self) -> Path:
        """The directory of logs."""
        return self.directory / "logs"

    @property
    def audit_log(self) -> Path:
        """The audit log of the API server, one JSON object a line."""
        return self.logs / "audit.jsonl"

    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig of admin, controller-manager, scheduler or proxy."""
        return self.directory / f"{user}.kubeconfig"

    def write_files(self) -> Authority:
        """Write certificates, kubeconfig files and the audit policy; return who issues more certificates."""
        self.logs.mkdir(parents=True, exist_ok=True)
        authority = Authority(self.pki)
        first_service = str(next(ipaddress.ip_network(self.services).hosts()))
        names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost", "127.0.0.1")
        authority.write("apiserver", authority.issue("kube-apiserver", names=(*names, self.address, first_service)))
        authority.write("apiserver-kubelet", authority.issue("kube-apiserver-kubelet-client", "system:masters"))
        authority.write_signing_key("service-account")
        for name, (user, group) in _USERS.items():
            credential = authority.issue(user, group)
            write_kubeconfig(self.kubeconfig(name), server=self.url, authority=authority.certificate, user=credential)
        (self.directory / "audit-policy.json").write_text(json.dumps(_AUDIT_POLICY))
        return authority

    def etcd(self) -> list[str]:
        """The command line of etcd."""
        peer_url = f"http://{self.etcd_address}:{self.etcd_peer_port}"
        return [
            str(self.binaries / "etcd"),
            f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls={self.etcd_url}",
            f"--advertise-client-urls={self.etcd_url}",
            f"--listen-peer-urls={peer_url}",
            f"--initial-advertise-peer-urls={peer_url}",
            f"--initial-cluster=default={peer_url}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def apiserver(self, flags: Sequence[str] = ()) -> list[str]:
        """The command line of kube-apiserver, the given flags last so that they win."""
        pki = self.pki
        return [
            str(self.binaries / "kube-apiserver"),
            f"--etcd-servers={self.etcd_url}",
            f"--bind-address={self.address}",
            f"--secure-port={self.port}",
            f"--service-cluster-ip-range={self.services}",
            f"--client-ca-file={pki}/ca.crt",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={pki}/service-account.pub",
            f"--service-account-signing-key-file={pki}/service-account.key",
            f"--audit-policy-file={self.directory}/audit-policy.json",
            f"--audit-log-path={self.audit_log}",
            # Megabytes. By default a new file is begun after 100 of them, and readers of the log miss the old ones.
            "--audit-log-maxsize=1000000",
            "--allow-privileged",
            *flags,
        ]

    def controller_manager(self, flags: Sequence[str] = ()) -> list[str]:
        """The command line of kube-controller-manager, the given flags last so that they win."""
        pki, kubeconfig = self.pki, self.kubeconfig("controller-manager")
        return [
            str(self.binaries / "kube-controller-manager"),
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            f"--service-account-private-key-file={pki}/service-account.key",
            f"--root-ca-file={pki}/ca.crt",
            f"--cluster-signing-cert-file={pki}/ca.crt",
            f"--cluster-signing-key-file={pki}/ca.key",
            f"--service-cluster-ip-range={self.services}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            *flags,
        ]

    def scheduler(self) -> list[str]:
        """The command line of kube-scheduler."""
        kubeconfig = self.kubeconfig("scheduler")
        return [
            str(self.binaries / "kube-scheduler"),
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
        ]
