"""The api size: etcd, an API server and its controllers on loopback addresses, a few seconds, several at once.

No node, so no pod ever runs; everything else (schemas, admission, watches, garbage collection, StatefulSets that
create their pods, namespaces that end) is the real thing.
"""

import base64
import contextlib
import http.client
import json
import random
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from testbed import binaries
from testbed.control_plane import ControlPlane
from testbed.pki import write_kubeconfig
from testbed.processes import Server, free_ports, wait_for
from testbed.rest import Rest

_SERVICES = "10.0.0.0/24"


class ApiServer:
    """One API server with its own etcd and controllers; as a context manager it ends them and removes their files."""

    def __init__(self, flags: Sequence[str] = ()) -> None:
        """Write certificates and configuration; `start` starts the processes.

        Args:
            flags: Flags for kube-apiserver, such as `--watch-cache=false` (a watch from a compacted
                resourceVersion then gets its 410 from etcd) or `--min-request-timeout=5` (short watches).
        """
        self._directory = Path(tempfile.mkdtemp(prefix="zkoperator-api-"))
        address = f"127.{random.randint(16, 254)}.{random.randint(1, 254)}.{random.randint(1, 254)}"
        port, etcd_port, etcd_peer_port, controllers_port = free_ports(address, 4)
        self.control_plane = plane = ControlPlane(
            binaries=binaries.kubernetes(),
            directory=self._directory,
            address=address,
            port=port,
            etcd_address=address,
            etcd_port=etcd_port,
            etcd_peer_port=etcd_peer_port,
            services=_SERVICES,
        )
        self._authority = plane.write_files()
        own_flags = [
            "--authorization-mode=RBAC",
            # A loopback address may not be an endpoint of the Service `kubernetes`, which nobody uses here.
            "--endpoint-reconciler-type=none",
            # Snapshots in the watch cache would serve a page whose history etcd has forgotten, and hide the 410.
            "--feature-gates=ListFromCacheSnapshot=false",
            *flags,
        ]
        self.etcd = Server(plane.etcd(), plane.logs / "etcd.log")
        self.apiserver = Server(plane.apiserver(own_flags), plane.logs / "kube-apiserver.log")
        self.controllers = Server(
            plane.controller_manager([f"--bind-address={address}", f"--secure-port={controllers_port}"]),
            plane.logs / "kube-controller-manager.log",
        )

    @property
    def url(self) -> str:
        """The URL of the API server."""
        return self.control_plane.url

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; it needs no other file."""
        return self.control_plane.kubeconfig("admin")

    @property
    def kubectl(self) -> Path:
        """The kubectl of the same version."""
        return self.control_plane.binaries / "kubectl"

    @property
    def ca_file(self) -> Path:
        """The certificate of the authority that signed the server's, PEM."""
        return self.control_plane.pki / "ca.crt"

    @property
    def audit_log(self) -> Path:
        """The audit log, one JSON object a line."""
        return self.control_plane.audit_log

    def start(self, limit_s: float = 300) -> Self:
        """Start everything and wait until objects can be made in the namespace `default`."""
        self.etcd.start()
        self.apiserver.start()
        self.wait_ready(limit_s)
        self.controllers.start()
        rest = self.rest()
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        wait_for("the default service account", lambda: rest.ready(account), limit_s=limit_s, servers=self._servers)
        rest.close()
        return self

    def wait_ready(self, limit_s: float = 300) -> None:
        """Wait until the API server answers and is ready."""
        rest = self.rest()
        wait_for(f"the API server at {self.url}", rest.ready, limit_s=limit_s, servers=self._servers[:2])
        rest.close()

    def rest(self) -> Rest:
        """Return the API as a function, with the administrator's rights, for the preparation of tests."""
        return Rest(self.kubeconfig)

    def kill(self) -> None:
        """Kill the API server: connections are refused from now on; nothing stored is lost."""
        self.apiserver.kill()

    def restart(self, limit_s: float = 300) -> None:
        """Kill the API server if it runs, start it and wait until it is ready; watch caches start empty."""
        self.apiserver.kill()
        self.apiserver.start()
        self.wait_ready(limit_s)

    def freeze(self) -> None:
        """Stop the API server (SIGSTOP): connections stay open and nothing is answered."""
        self.apiserver.freeze()

    def thaw(self) -> None:
        """Let a frozen API server go on."""
        self.apiserver.thaw()

    def compact(self) -> int:
        """Forget all history in etcd before the newest revision, and return that one.

        From then on a continue token that is older gets a real 410. A watch from an older resourceVersion does
        when the watch cache is off or was emptied by `restart`.
        """
        revision = int(self._etcd("/v3/kv/range", {"key": base64.b64encode(b"none").decode()})["header"]["revision"])
        self._etcd("/v3/kv/compaction", {"revision": revision, "physical": True})
        return revision

    def token(self, namespace: str, account: str, *, lifetime_s: int = 3600) -> str:
        """Return a bearer token of a ServiceAccount, which must exist; the API server grants at least 600 s."""
        rest = self.rest()
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": lifetime_s},
        }
        answer = rest("POST", path, request)
        rest.close()
        return str(answer["status"]["token"])

    def account_kubeconfig(self, namespace: str, account: str, *, lifetime_s: int = 3600) -> Path:
        """Write and return a kubeconfig that acts as a ServiceAccount."""
        file = self._directory / f"account-{namespace}-{account}.kubeconfig"
        write_kubeconfig(
            file,
            server=self.url,
            authority=self._authority.certificate,
            user=self.token(namespace, account, lifetime_s=lifetime_s),
            namespace=namespace,
        )
        return file

    def user_kubeconfig(self, user: str, group: str | None = None) -> Path:
        """Write and return a kubeconfig that acts as a plain user with a certificate."""
        file = self._directory / f"user-{user.replace(':', '-')}.kubeconfig"
        credential = self._authority.issue(user, group)
        write_kubeconfig(file, server=self.url, authority=self._authority.certificate, user=credential)
        return file

    def audit_events(self) -> list[dict[str, Any]]:
        """Return what the audit log holds so far: who did what, with which answer."""
        if not self.audit_log.exists():
            return []
        complete = self.audit_log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in complete.splitlines()]

    def close(self) -> None:
        """Kill everything and remove its files."""
        for server in reversed(self._servers):
            server.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _servers(self) -> list[Server]:
        return [self.etcd, self.apiserver, self.controllers]

    def _etcd(self, path: str, body: object) -> Any:
        line = http.client.HTTPConnection(self.control_plane.etcd_address, self.control_plane.etcd_port, timeout=10)
        with contextlib.closing(line):
            line.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            return json.load(line.getresponse())
