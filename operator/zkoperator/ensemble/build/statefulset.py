"""The StatefulSet: pods start in parallel, and only the operator replaces them (`OnDelete`)."""

import hashlib
import json
from typing import Any

from zkoperator.api.cluster import StorageType
from zkoperator.api.incarnation import Origin
from zkoperator.api.resources import Resources
from zkoperator.controller.quantity import parse_quantity
from zkoperator.ensemble.build.manifest import manifest
from zkoperator.ensemble.build.pod_extras import (
    asked_extras,
    further_containers,
    further_environment,
    further_mounts,
    further_volumes,
    pod_extras,
    security_context,
)
from zkoperator.ensemble.build.probes import liveness_probe, readiness_probe, startup_probe
from zkoperator.ensemble.build.tls import (
    has_files,
    tls_cfg,
    tls_environment,
    tls_mounts,
    tls_ports,
    tls_volumes,
)
from zkoperator.ensemble.build.zoocfg import has_master_port, non_default, zoo_cfg
from zkoperator.ensemble.model.names import (
    CERTIFICATES,
    CLIENT_PORT,
    CONTAINER,
    ELECTION_PORT,
    INCARNATION,
    MADE_WITH,
    METRICS_PORT,
    NO_ROLLOUT,
    OBSERVER_BASE,
    OBSERVER_MASTER_PORT,
    QUORUM_PORT,
    RESTARTED,
    REVISION,
    ROLLOUT_BASELINE,
    TAKE_OVER,
    TEMPLATE,
    TLS,
    Component,
)
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest


def stateful_set(
    cluster: ValidatedCluster,
    replicas: int,
    *,
    bootstrap: str,
    secret_id: str,
    rollout_baseline: str = NO_ROLLOUT,
    certificates: str = "",
    first: int = 1,
) -> Manifest:
    """Return the StatefulSet of the cluster's component.

    Args:
        cluster: the validated cluster.
        replicas: pods that must exist now, which differs from the spec while members change.
        bootstrap: the token that permits an empty member to found the ensemble, or nothing.
        secret_id: digest of the superuser's password; a new password takes effect by a restart.
        rollout_baseline: the `kubectl rollout restart` that is not honoured, because it was called too long ago.
        certificates: life of the certificate that a pod would start with now.
        first: the member with the lowest id that must have a pod now.
    """
    spec: dict[str, Any] = {
        "replicas": replicas,
        "serviceName": cluster.names.members_service,
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "OnDelete"},
        "revisionHistoryLimit": 3,
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "selector": {"matchLabels": _selector(cluster)},
        "template": _template(cluster, bootstrap, secret_id, certificates),
    }
    is_own = cluster.component is Component.SERVER
    if first > 1:
        spec["ordinals"] = {"start": first - 1}
    if templates := claim_templates(cluster):
        spec["volumeClaimTemplates"] = templates
    name = cluster.names.stateful_set if is_own else cluster.names.observers
    made = manifest(cluster, "apps/v1", "StatefulSet", name, spec=spec)
    if is_own:
        made["metadata"].setdefault("annotations", {})[ROLLOUT_BASELINE] = rollout_baseline
    return made


def _selector(cluster: ValidatedCluster) -> dict[str, str]:
    """Return the selector, which can never be changed: that of the voters is older than observers.

    It has observers as well, which does no harm: a StatefulSet takes only pods that bear its name.
    """
    names = cluster.names
    return names.selector if cluster.component is Component.SERVER else names.labels_of(cluster.component)


def revision(cluster: ValidatedCluster, secret_id: str) -> str:
    """Return the digest of everything that needs a restart of a serving member to take effect.

    It is computed from the spec and not from the manifest, so that a newer operator with another template restarts
    nothing; and from the meaning of the spec, so that a default or an amount in another notation restarts nothing.
    """
    spec = cluster.spec
    return _digest(
        {
            "image": cluster.image,
            "config": non_default(spec.config),
            "logLevel": spec.log_level.value,
            "jvm": spec.jvm.manifest(),
            "resources": _amounts(spec.resources),
            "pod": spec.pod.placement,
            "restart": cluster.restart,
            "secret": secret_id,
            **({"extras": extras} if (extras := asked_extras(spec.pod)) else {}),
            **({"tls": tls_cfg(cluster)} if has_files(cluster) else {}),
            **({"observerMasterPort": OBSERVER_MASTER_PORT} if has_master_port(cluster) else {}),
        }
    )


def _template(cluster: ValidatedCluster, bootstrap: str, secret_id: str, certificates: str) -> Manifest:
    pod = cluster.spec.pod
    spec = _pod_spec(cluster)
    annotations = {
        **pod.annotations,
        REVISION: revision(cluster, secret_id),
        TEMPLATE: _digest({"spec": spec, "zoo.cfg": zoo_cfg(cluster), **_consent(cluster)}),
        MADE_WITH: secret_id,
        **({RESTARTED: cluster.restart} if cluster.restart else {}),
        **({TLS: cluster.tls.text, CERTIFICATES: certificates} if has_files(cluster) else {}),
        **({INCARNATION: str(cluster.incarnation)} if cluster.incarnation else {}),
    }
    spec["containers"][0]["env"].append({"name": "ZK_BOOTSTRAP", "value": bootstrap})
    labels = {**pod.labels, **cluster.names.labels_of(cluster.component)}
    metadata = {"labels": labels, "annotations": annotations}
    return {"metadata": metadata, "spec": spec}


def _consent(cluster: ValidatedCluster) -> dict[str, str]:
    """Return the consent of a person to take over data.

    A member that refuses its volume is restarted when the consent comes.
    """
    consent = cluster.meta.annotations.get(TAKE_OVER, "")
    return {"takeOver": consent} if consent else {}


def _pod_spec(cluster: ValidatedCluster) -> dict[str, Any]:
    pod = cluster.spec.pod
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": pod.termination_grace_period_seconds,
        "securityContext": security_context(pod),
        "containers": [_container(cluster), *further_containers(pod)],
        "volumes": _volumes(cluster),
        "topologySpreadConstraints": _spread(cluster),
    }
    return spec | placement(cluster) | pod_extras(pod)


def placement(cluster: ValidatedCluster) -> dict[str, Any]:
    """Return where pods may run, beside what keeps them apart, and what pulls their images."""
    pod = cluster.spec.pod
    asked = {
        "imagePullSecrets": [secret.manifest() for secret in cluster.spec.image_pull_secrets],
        "nodeSelector": dict(pod.node_selector),
        "tolerations": [toleration.manifest() for toleration in pod.tolerations],
        "affinity": pod.affinity.manifest() if pod.affinity is not None else {},
        "priorityClassName": pod.priority_class_name,
    }
    return {field: value for field, value in asked.items() if value}


def _container(cluster: ValidatedCluster) -> dict[str, Any]:
    return {
        "name": CONTAINER,
        "image": cluster.image,
        "imagePullPolicy": cluster.spec.image_pull_policy.value,
        "command": ["sh", "/config/start.sh"],
        "env": _environment(cluster),
        "ports": [
            {"name": "client", "containerPort": CLIENT_PORT, "protocol": "TCP"},
            *tls_ports(cluster),
            {"name": "quorum", "containerPort": QUORUM_PORT, "protocol": "TCP"},
            {"name": "election", "containerPort": ELECTION_PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
            *_master_ports(cluster),
        ],
        "resources": cluster.spec.resources.manifest(),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "startupProbe": startup_probe(cluster),
        "readinessProbe": readiness_probe(cluster),
        "livenessProbe": liveness_probe(cluster),
        # The Service needs a moment to drop the endpoint; a client that is routed to a dead one waits for seconds.
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "1"]}}},
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "config", "mountPath": "/config", "readOnly": True},
            {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108
            {"name": "scratch", "mountPath": "/logs"},
            {"name": "scratch", "mountPath": "/datalog"},
            *tls_mounts(cluster),
            *further_mounts(cluster.spec.pod),
        ],
    }


def _master_ports(cluster: ValidatedCluster) -> list[dict[str, Any]]:
    if not has_master_port(cluster):
        return []
    return [{"name": "observers", "containerPort": OBSERVER_MASTER_PORT, "protocol": "TCP"}]


def _environment(cluster: ValidatedCluster) -> list[dict[str, Any]]:
    flags = [
        "-Dzookeeper.DigestAuthenticationProvider.superDigest=$(ZK_SUPER_DIGEST)",
        # A member with a wiped disk must not vote before it has synced.
        "-Dzookeeper.db.autocreate=false",
        # Restarted peers have new addresses, and the JVM caches names for 30 s by default.
        "-Dsun.net.inetaddr.ttl=1",
        "-Dsun.net.inetaddr.negative.ttl=0",
        "-Dlogback.configurationFile=/config/logback.xml",
        *cluster.spec.jvm.flags,
    ]
    digest = {"name": cluster.names.secret, "key": "digest"}
    return [
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
        {"name": "ZK_DOMAIN", "value": cluster.names.members_domain},
        *_first_id(cluster),
        {"name": "ZK_SUPER_DIGEST", "valueFrom": {"secretKeyRef": digest}},
        {"name": "ZK_SERVER_HEAP", "value": str(cluster.heap_mib)},
        {"name": "JMXDISABLE", "value": "true"},
        {"name": "SERVER_JVMFLAGS", "value": " ".join(flags)},
        *tls_environment(cluster),
        *_incarnation(cluster),
        *further_environment(cluster.spec.pod),
    ]


def _first_id(cluster: ValidatedCluster) -> list[dict[str, Any]]:
    """Return what tells an observer its id; a voter has that of its ordinal."""
    if cluster.component is Component.SERVER:
        return []
    return [{"name": "ZK_FIRST_ID", "value": str(OBSERVER_BASE + 1)}]


def _incarnation(cluster: ValidatedCluster) -> list[dict[str, Any]]:
    """Return what members must know of the incarnation.

    It is in the template of the pod, so no pod has that of an earlier one.
    """
    if not cluster.incarnation:
        return []
    seed: list[dict[str, Any]] = []
    if (recovery := cluster.recovery) is not None:
        seed = [{"name": "ZK_SEED", "value": recovery.seed}]
        if recovery.from_ is Origin.BACKUP:
            seed.append({"name": "ZK_SEED_FROM", "value": recovery.from_.value})
    return [{"name": "ZK_INCARNATION", "value": str(cluster.incarnation)}, *seed]


def _volumes(cluster: ValidatedCluster) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [
        {"name": "config", "configMap": {"name": cluster.names.config_map, "defaultMode": 0o444}},
        {"name": "scratch", "emptyDir": {}},
        *tls_volumes(cluster),
    ]
    if cluster.spec.storage.type is StorageType.EPHEMERAL:
        volumes.append({"name": "data", "emptyDir": {"sizeLimit": cluster.spec.storage.size}})
    return [*volumes, *further_volumes(cluster.spec.pod)]


def _spread(cluster: ValidatedCluster) -> list[dict[str, Any]]:
    selector = {"matchLabels": cluster.names.labels_of(cluster.component)}
    asked = cluster.spec.pod.topology_spread_constraints
    if asked is not None:
        return [{"labelSelector": selector, **constraint.manifest()} for constraint in asked]
    return [
        {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": selector}
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]


def claim_templates(cluster: ValidatedCluster) -> list[Manifest]:
    """Return the templates of the claims of each member, none with ephemeral storage."""
    return [claim_template(cluster)] if cluster.spec.storage.type is StorageType.PERSISTENT else []


def claim_template(cluster: ValidatedCluster) -> Manifest:
    """Return what each member's claim is made from."""
    storage = cluster.spec.storage
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "volumeMode": "Filesystem",
        "resources": {"requests": {"storage": storage.size}},
    }
    if storage.storage_class_name is not None:
        spec["storageClassName"] = storage.storage_class_name
    if storage.volume_attributes_class_name:
        spec["volumeAttributesClassName"] = storage.volume_attributes_class_name
    return {"metadata": {"name": "data", "labels": cluster.names.selector}, "spec": spec}


def _amounts(resources: Resources) -> dict[str, dict[str, str]]:
    """Return amounts as numbers, so that 1Gi equals 1024Mi."""
    return {
        kind: {name: str(parse_quantity(amount).normalize()) for name, amount in amounts.items()}
        for kind, amounts in (("requests", resources.requests), ("limits", resources.limits))
    }


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
