"""What status and Events say about certificates. No text has a key, or a part of one. Pure."""

from datetime import datetime
from typing import Final, assert_never

from zkoperator.api.reasons import ClusterReason
from zkoperator.ensemble.model.names import Names
from zkoperator.ensemble.model.tls import Leaf
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.certificate_steps import rotation_of
from zkoperator.ensemble.plan.steps import (
    CertificateStep,
    DropCertificates,
    FoundAuthority,
    PublishBundle,
    RequestCertificate,
    WriteCertificate,
)
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.pki.certificates import name_of, time_text
from zkoperator.pki.files import File
from zkoperator.pki.rotation import Change, IssueLeaf, Rotation, WriteBundle, WriteLeaf

_EXPIRING: Final = 5
"""A certificate is renewed when a third of its life is left. With less than a fifth left, the renewal has failed."""


def rotation_now(cluster: ValidatedCluster, observed: Observed) -> Rotation:
    """Return what the files need next; nothing if the operator may not read them."""
    sources = observed.certificates.sources
    return rotation_of(cluster, observed, sources) if sources is not None else Rotation()


def wrong_certificate(
    cluster: ValidatedCluster, observed: Observed, rotation: Rotation
) -> tuple[ClusterReason, str] | None:
    """Return what was refused, or which certificate is about to end without being renewed."""
    certificates = observed.certificates
    ending = _ending(cluster, observed, certificates.sources.now) if certificates.sources is not None else ""
    if problems := (*certificates.problems, *rotation.problems):
        return ClusterReason.CERTIFICATE_INVALID, "; ".join(filter(None, (ending, *problems)))
    return (ClusterReason.CERTIFICATE_EXPIRING, ending) if ending else None


def describe_certificate_step(names: Names, step: CertificateStep) -> str:
    """Return a step as a text."""
    match step:
        case FoundAuthority(number):
            return f"make generation {number} of the cluster's own CA (Secret {names.ca_secret})"
        case WriteCertificate(change):
            return _describe(names, change)
        case DropCertificates(files):
            return f"remove {', '.join(sorted(files))} from Secret {names.tls_secret}: no member needs it any more"
        case PublishBundle():
            return f"write the CAs for clients into ConfigMap {names.ca_bundle}"
        case RequestCertificate(manifest):
            return f"ask cert-manager for Certificate {manifest['metadata']['name']}"
        case _:
            assert_never(step)


def _describe(names: Names, change: Change) -> str:
    secret = names.ca_secret if change.file is File.OPERATOR else names.tls_secret
    match change:
        case WriteBundle(file, authorities):
            content = ", ".join(name_of(each.subject) for each in authorities)
        case WriteLeaf(file, leaf):
            certificate = leaf.certificate
            end = time_text(certificate.not_valid_after_utc)
            content = f"a certificate of {name_of(certificate.issuer)} that ends at {end}"
        case IssueLeaf(file, authority):
            content = f"a new certificate of {name_of(authority.certificate.subject)}"
        case _:
            assert_never(change)
    return f"write {file} into Secret {secret}: {content}"


def _ending(cluster: ValidatedCluster, observed: Observed, now: datetime) -> str:
    found = observed.certificates
    parts = (("client", found.client), ("quorum", found.quorum))
    late = [text for name, leaf in parts if leaf is not None and (text := _late(name, leaf, now))]
    if not late:
        return ""
    namespace, name = cluster.meta.namespace, cluster.meta.name
    paused = "spec.paused is true, so nothing is renewed; " if cluster.spec.paused else ""
    return f"{'; '.join(late)}; {paused}see why it was not renewed: kubectl -n {namespace} describe zk {name}"


def _late(name: str, leaf: Leaf, now: datetime) -> str:
    if (leaf.not_after - now) * _EXPIRING >= leaf.not_after - leaf.not_before:
        return ""
    verb = "has ended" if leaf.not_after <= now else "ends"
    return f"the {name} certificate of {leaf.issuer} {verb} at {time_text(leaf.not_after)}"
