"""Makes keys and certificates, and writes them to Secrets: one file at a time, under conditions. I/O."""

import secrets
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from typing import assert_never

from zkoperator.ensemble.build.certificates import (
    authority_data,
    bundle_config_map,
    dropping_patch,
    file_patch,
    secret_of_files,
)
from zkoperator.ensemble.model.certificate_names import OPERATOR, mark_of
from zkoperator.ensemble.model.certificate_sources import Version
from zkoperator.ensemble.plan.steps import (
    CertificateStep,
    DropCertificates,
    FoundAuthority,
    PublishBundle,
    RequestCertificate,
    WriteCertificate,
)
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.errors import ConflictError, ForbiddenError
from zkoperator.kube.port import CERTIFICATES, CONFIG_MAPS, NO_VERSION, SECRETS, KubeApi, Manifest
from zkoperator.pki.authority import RANDOM_BYTES, found_authority, issue
from zkoperator.pki.certificates import pem_of, time_text
from zkoperator.pki.files import File, leaf_pem
from zkoperator.pki.rotation import Change, IssueLeaf, WriteBundle, WriteLeaf
from zkoperator.runtime.wall_clock import utc_now


class CertificateWriter:
    """Carries out the steps about certificates.

    Args:
        api: the Kubernetes API.
        random: returns this number of random bytes.
        wall: the time at which certificates begin.
    """

    def __init__(
        self,
        api: KubeApi,
        random: Callable[[int], bytes] = secrets.token_bytes,
        wall: Callable[[], datetime] = utc_now,
    ) -> None:
        self._api = api
        self._random = random
        self._wall = wall

    async def apply(self, cluster: ValidatedCluster, step: CertificateStep) -> None:
        """Carry out one step.

        Raises:
            ForbiddenError: a right is missing; the message says how the operator gets it.
        """
        try:
            await self._apply(cluster, step)
        except ForbiddenError as error:
            part = "cert-manager" if isinstance(step, RequestCertificate) else "tls"
            value = "tls.certManager" if isinstance(step, RequestCertificate) else "tls.enabled"
            raise ForbiddenError(
                f"{error}; for spec.tls, install the operator with the component manifests/{part}, or the chart with "
                f"{value}: true"
            ) from error

    async def _apply(self, cluster: ValidatedCluster, step: CertificateStep) -> None:
        names = cluster.names
        match step:
            case FoundAuthority(number, version):
                await self._write(cluster, names.ca_secret, version, self._authority(cluster, number))
            case WriteCertificate(change, version):
                name = names.ca_secret if change.file is File.OPERATOR else names.tls_secret
                await self._write(cluster, name, version, self._file(change))
            case DropCertificates(files, version):
                await self._write(cluster, names.tls_secret, version, dropping_patch(files))
            case PublishBundle(bundle, version):
                wanted = _conditional(bundle_config_map(cluster, bundle), version)
                await self._api.apply(CONFIG_MAPS, names.namespace, wanted)
            case RequestCertificate(manifest, version):
                await self._api.apply(CERTIFICATES, names.namespace, _conditional(manifest, version))
            case _:
                assert_never(step)

    def _authority(self, cluster: ValidatedCluster, number: int) -> Manifest:
        names, uid = cluster.names, cluster.meta.uid
        owner = f"{names.namespace}/{names.cluster}"
        made = found_authority(owner, mark_of(uid), number, self._random(RANDOM_BYTES), self._wall())
        return {"data": {key: b64encode(content).decode() for key, content in authority_data(made).items()}}

    def _file(self, change: Change) -> Manifest:
        now = self._wall()
        match change:
            case WriteBundle(file, authorities):
                content = pem_of(authorities)
            case WriteLeaf(file, leaf):
                content = leaf_pem(leaf)
            case IssueLeaf(file, authority, names, life):
                is_operator = file is File.OPERATOR
                subject, random = OPERATOR if is_operator else "", self._random(RANDOM_BYTES)
                leaf = issue(authority, subject, sorted(names), random, now, life, serves=not is_operator)
                content = leaf_pem(leaf)
            case _:
                assert_never(change)
        return file_patch(file, content, time_text(now))

    async def _write(self, cluster: ValidatedCluster, name: str, version: Version | None, patch: Manifest) -> None:
        """Patch exactly the observed Secret, or create it with what the patch has."""
        if version is None:
            made = secret_of_files(cluster, name)
            notes = {**made["metadata"].get("annotations", {}), **patch.get("metadata", {}).get("annotations", {})}
            metadata = {**made["metadata"], "annotations": notes}
            await self._api.create(
                SECRETS, cluster.names.namespace, {**made, "metadata": metadata, "data": patch["data"]}
            )
            return
        namespace = cluster.names.namespace
        written = await self._api.patch(SECRETS, namespace, name, patch, resource_version=version.resource_version)
        if written is None:
            raise ConflictError(f"Secret {name} has gone since it was observed")


def _conditional(manifest: Manifest, version: Version | None) -> Manifest:
    found = {"uid": version.uid, "resourceVersion": version.resource_version} if version is not None else {}
    condition = found or {"resourceVersion": NO_VERSION}
    return {**manifest, "metadata": {**manifest["metadata"], **condition}}
