"""Every field of `spec.pod` that adds to the pods, once at least, with values that the API server accepts."""

from typing import Any

_PROBE = {
    "initialDelaySeconds": 1,
    "periodSeconds": 5,
    "timeoutSeconds": 2,
    "successThreshold": 1,
    "failureThreshold": 4,
}
_FIELD = {"fieldRef": {"fieldPath": "metadata.name"}}
_SECURITY = {
    "runAsUser": 1234,
    "runAsGroup": 1235,
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": True,
    "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["NET_RAW"]},
    "seccompProfile": {"type": "Localhost", "localhostProfile": "shipper.json"},
}
_ENVIRONMENT: list[dict[str, Any]] = [
    {"name": "LEVEL", "value": "info"},
    {"name": "EMPTY", "value": ""},
    {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    {
        "name": "MEMORY",
        "valueFrom": {
            "resourceFieldRef": {"containerName": "zookeeper", "resource": "limits.memory", "divisor": "1Mi"},
        },
    },
    {"name": "FLAG", "valueFrom": {"configMapKeyRef": {"name": "shipper", "key": "flag", "optional": True}}},
    {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "shipper", "key": "token", "optional": False}}},
]
_MOUNTS = [
    {"name": "settings", "mountPath": "/etc/shipper", "subPath": "inner/part", "readOnly": True},
    {"name": "data", "mountPath": "/zookeeper", "readOnly": True},
]


def _container(name: str, probe: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "image": "registry.example.com/shipper:1",
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/shipper"],
        "args": ["--follow"],
        "env": _ENVIRONMENT,
        "ports": [
            {"name": "syslog", "containerPort": 5140, "protocol": "UDP"},
            {"name": "status", "containerPort": 9100, "protocol": "TCP"},
        ],
        "startupProbe": {**_PROBE, **probe},
        "readinessProbe": {**_PROBE, **probe},
        "livenessProbe": {**_PROBE, **probe},
        "resources": {"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}},
        "volumeMounts": _MOUNTS,
        "securityContext": _SECURITY,
    }


_PROBES: tuple[dict[str, Any], ...] = (
    {"exec": {"command": ["/bin/true"]}},
    {"httpGet": {"path": "/healthz", "port": 9100, "scheme": "HTTPS"}},
    {"tcpSocket": {"port": 9100}},
    {"grpc": {"port": 9100, "service": "shipper"}},
)
_ITEMS = [{"key": "a", "path": "b/c", "mode": 0o400}]
_FILES: list[dict[str, Any]] = [
    {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}, "mode": 0o400},
    {
        "path": "memory",
        "resourceFieldRef": {"containerName": "zookeeper", "resource": "limits.memory", "divisor": "1Mi"},
    },
]
_REFERENCE = {"name": "settings", "items": _ITEMS, "optional": True}

FULL: dict[str, Any] = {
    "env": [*_ENVIRONMENT, {"name": "JAVA_TOOL_OPTIONS", "value": "-javaagent:/agents/otel.jar=a,b"}],
    "volumeMounts": [{"name": "agents", "mountPath": "/agents", "subPath": "lib", "readOnly": True}],
    "containers": [_container(f"shipper-{number}", probe) for number, probe in enumerate(_PROBES)],
    "initContainers": [
        {**_container(f"native-{number}", probe), "restartPolicy": "Always"} for number, probe in enumerate(_PROBES)
    ],
    "volumes": [
        {"name": "agents", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
        {"name": "settings", "configMap": {**_REFERENCE, "defaultMode": 0o440}},
        {
            "name": "keys",
            "secret": {"secretName": "keys", "items": _ITEMS, "defaultMode": 0o400, "optional": True},
        },
        {
            "name": "mixed",
            "projected": {
                "defaultMode": 0o440,
                "sources": [
                    {"configMap": _REFERENCE},
                    {"secret": {**_REFERENCE, "items": [{"key": "a", "path": "d", "mode": 0o400}]}},
                    {"downwardAPI": {"items": _FILES}},
                    {"serviceAccountToken": {"audience": "vault", "expirationSeconds": 7200, "path": "token"}},
                ],
            },
        },
        {"name": "shared", "persistentVolumeClaim": {"claimName": "shared", "readOnly": True}},
        {"name": "pod", "downwardAPI": {"items": _FILES, "defaultMode": 0o440}},
        {
            "name": "vault",
            "csi": {
                "driver": "secrets-store.csi.k8s.io",
                "readOnly": True,
                "volumeAttributes": {"secretProviderClass": "zookeeper"},
            },
        },
    ],
    "serviceAccountName": "zookeeper",
    "securityContext": {
        "runAsUser": 5000,
        "runAsGroup": 5001,
        "fsGroup": 5002,
        "fsGroupChangePolicy": "Always",
        "supplementalGroups": [5003],
        "seccompProfile": {"type": "Localhost", "localhostProfile": "pod.json"},
        "seLinuxOptions": {"level": "s0:c123,c456", "role": "r", "type": "t", "user": "u"},
    },
    "runtimeClassName": "gvisor",
    "schedulerName": "volcano",
    "hostAliases": [{"ip": "fd00::1", "hostnames": ["ldap.example.com"]}],
    "dnsConfig": {
        "nameservers": ["10.0.0.10"],
        "searches": ["example.com"],
        "options": [{"name": "ndots", "value": "2"}, {"name": "use-vc"}],
    },
}

CHANGES: tuple[dict[str, Any], ...] = (
    FULL,
    # Each of these takes something away of what was there, or gives a name another meaning.
    {
        **FULL,
        "containers": list(reversed(FULL["containers"])),
        "volumes": [FULL["volumes"][1], {"name": "agents", "secret": {"secretName": "keys"}}],
        "env": [{"name": "LEVEL", "valueFrom": _FIELD}, {"name": "NODE", "value": "none"}],
    },
    {
        "containers": [
            {"name": "shipper-1", "image": "shipper:2", "livenessProbe": {"tcpSocket": {"port": 9100}}},
            {"name": "first", "image": "first:1", "readinessProbe": {"httpGet": {"port": 9101}}},
            {"name": "shipper-0", "image": "shipper:2", "startupProbe": {"grpc": {"port": 9102}}},
        ],
        "initContainers": [{"name": "native-0", "image": "copy:1"}],
        "volumes": [{"name": "agents", "downwardAPI": {"items": [{"path": "a", **_FIELD}]}}],
        "volumeMounts": [{"name": "agents", "mountPath": "/agents"}],
        "env": [{"name": "MEMORY", "valueFrom": _FIELD}, {"name": "LEVEL", "value": ""}],
        "securityContext": {},
    },
    {"containers": [{"name": "first", "image": "first:1"}], "securityContext": {"runAsUser": 7}},
    {},
)
"""One after the other, as somebody edits them."""
