"""Reads the certificates that others deliver: Secrets by name, and what cert-manager was asked for. I/O."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from zkoperator.api.tls import CertificateSource, ClientTls, Tls
from zkoperator.ensemble.observe.certificate_secrets import data_of
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import CERTIFICATES, SECRETS, KubeApi, Manifest, NoSuchKindError
from zkoperator.pki.certificates import Certificate
from zkoperator.pki.delivered import Delivered, check_authorities, check_leaf
from zkoperator.pki.files import File
from zkoperator.pki.flaws import Flaw, Purpose

_ISSUED_AFTER = timedelta(minutes=2)
"""How long cert-manager may take before its silence is reported."""


@dataclass(slots=True)
class Deliveries:
    """What was found: good certificates, the CAs of clients (None: refused), requests, and what is wrong.

    `unanswerable` are certificates that nobody can be asked for until a person has acted.
    """

    leaves: dict[File, Delivered] = field(default_factory=dict)
    clients: tuple[Certificate, ...] | None = ()
    requests: dict[File, Manifest] = field(default_factory=dict)
    unanswerable: set[File] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


class DeliveryReader:
    """Reads what others deliver for one cluster.

    Args:
        api: the Kubernetes API. Secrets are read by name and never listed.
        cluster: the cluster, with TLS.
        now: the present time.
    """

    def __init__(self, api: KubeApi, cluster: ValidatedCluster, now: datetime) -> None:
        self._api = api
        self._cluster = cluster
        self._now = now
        self._found = Deliveries()

    async def read(self) -> Deliveries:
        """Return everything that is delivered, or refused."""
        tls, names = self._cluster.spec.tls or Tls(), self._cluster.names
        members = tuple(names.host(member) for member in sorted(self._cluster.members | {1}))
        if tls.client is not None:
            await self._leaf(File.CLIENT, tls.client.certificate, (names.service_host, *members), dials=False)
            await self._clients(tls.client)
        if tls.quorum is not None:
            await self._leaf(File.QUORUM, tls.quorum.source, members, dials=True)
        return self._found

    async def _leaf(self, file: File, source: CertificateSource, hosts: tuple[str, ...], *, dials: bool) -> None:
        name = source.secret_name
        if source.issuer_ref is not None:
            name = self._cluster.names.certificate_secret(file.purpose)
            if not await self._request(file):
                return
        if name is None:
            return
        data = await self._secret(name, is_expected=source.issuer_ref is None)
        if data is None:
            return
        checked = check_leaf(data, Purpose(self._cluster.names.namespace, name, hosts, dials, self._now))
        if isinstance(checked, Delivered):
            self._found.leaves[file] = checked
        else:
            self._found.problems += map(str, checked)

    async def _clients(self, client: ClientTls) -> None:
        """Read the CAs of clients: those of their own Secret, else those of the certificate."""
        delivered = self._found.leaves.get(File.CLIENT)
        name = client.trusted_ca_secret_name
        if name is None:
            own = client.certificate.self_signed is not None
            self._found.clients = delivered.authorities if delivered is not None else () if own else None
            return
        self._found.clients = None
        data = await self._secret(name, is_expected=True)
        if data is None:
            return
        checked = check_authorities(data, Purpose(self._cluster.names.namespace, name, (), False, self._now))
        flaws = [each for each in checked if isinstance(each, Flaw)]
        self._found.problems += map(str, flaws)
        if not flaws:
            self._found.clients = tuple(each for each in checked if not isinstance(each, Flaw))

    async def _request(self, file: File) -> bool:
        """Read the Certificate of cert-manager. False when there is nothing to wait for: a person must act first."""
        names = self._cluster.names
        try:
            live = await self._api.get(CERTIFICATES, names.namespace, names.certificate(file.purpose))
        except NoSuchKindError:
            self._refuse(
                file,
                "Kubernetes has no kind Certificate of cert-manager.io/v1; install cert-manager, or use selfSigned or "
                "secretName",
            )
            return False
        except ForbiddenError as error:
            self._refuse(
                file,
                f"the operator has no right to Certificates ({error}); install it with the component "
                "manifests/cert-manager, or the chart with tls.certManager: true",
            )
            return False
        if live is not None:
            self._found.requests[file] = live
            self._report_delay(live)
        return True

    def _refuse(self, file: File, why: str) -> None:
        self._found.unanswerable.add(file)
        self._found.problems.append(f"spec.tls.{file.purpose} names an issuerRef, and {why}")

    def _report_delay(self, live: Manifest) -> None:
        conditions: list[Manifest] = (live.get("status") or {}).get("conditions") or []
        ready: Manifest = next((each for each in conditions if each.get("type") == "Ready"), {})
        asked = datetime.fromisoformat(live["metadata"].get("creationTimestamp") or self._now.isoformat())
        if ready.get("status") != "True" and self._now - asked > _ISSUED_AFTER:
            name, why = live["metadata"]["name"], ready.get("message", "it says nothing")
            self._found.problems.append(
                f"Certificate {name} is not ready: {why}; see kubectl -n {self._cluster.names.namespace} describe "
                f"certificate {name}"
            )

    async def _secret(self, name: str, *, is_expected: bool) -> dict[str, bytes] | None:
        namespace = self._cluster.names.namespace
        live = await self._api.get(SECRETS, namespace, name)
        if live is None and is_expected:
            self._found.problems.append(
                f"Secret {name} does not exist; make it: kubectl -n {namespace} create secret generic {name} "
                "--type=kubernetes.io/tls --from-file=tls.crt --from-file=tls.key --from-file=ca.crt"
            )
        return data_of(live) if live is not None else None
