"""Clusters whose pods hold it wrong."""

from typing import Any

from tests.support.models.bad import Bad, Spec, bad_cluster

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def _affinity(claim: str, affinity: dict[str, Any], where: str, says: str, server_says: str) -> Bad:
    return bad_cluster(claim, {"pod": {"affinity": affinity}}, f"spec.pod.affinity.{where}", says, server_says)


def _pod(claim: str, pod: Spec, where: str, says: str, server_says: str = "", server_field: str = "") -> Bad:
    field = f"spec.pod.{server_field}" if server_field else ""
    return bad_cluster(claim, {"pod": pod}, f"spec.pod.{where}", says, server_says, server_field=field)


def _sidecar(claim: str, part: Spec, where: str, says: str, server_says: str = "", server_field: str = "") -> Bad:
    """One thing wrong in a container beside the member, or in one before it where `part` says so."""
    kind = "initContainers" if where.startswith("initContainers") else "containers"
    entry = {"name": "shipper", "image": "shipper:1", **part}
    pod = {kind: [entry], "volumes": [{"name": "settings", "emptyDir": {}}]}
    return _pod(claim, pod, where or kind, says, server_says, server_field)


_VOLUME = {"name": "settings", "emptyDir": {}}
_ONCE = "Duplicate value"
PODS = (
    _pod("a variable in digits", {"env": [{"name": "1A"}]}, "env[0].name", "no digit first"),
    _pod(
        "a variable of two values",
        {"env": [{"name": "A", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
        "env[0]",
        "not both",
    ),
    _pod(
        "a value from nowhere", {"env": [{"name": "A", "valueFrom": {}}]}, "env[0].valueFrom", "exactly one of fieldRef"
    ),
    _pod(
        "a field of the node",
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "node.name"}}}]},
        "env[0].valueFrom.fieldRef.fieldPath",
        "a field of the pod",
    ),
    _pod(
        "a key with a slash",
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "a/b"}}}]},
        "env[0].valueFrom.secretKeyRef.key",
        "write a key of letters",
    ),
    _pod("a variable twice", {"env": [{"name": "A"}] * 2}, "env", "name once", _ONCE, "env[1]"),
    *(
        _pod(f"the member's own variable {name}", {"env": [{"name": name, "value": "x"}]}, "env", "the operator sets")
        for name in ("POD_NAME", "ZK_SUPER_DIGEST", "ZOOCFGDIR", "JVMFLAGS", "_JAVA_OPTIONS", "LD_PRELOAD", "PATH")
    ),
    *(
        _pod(f"flags among agents: {flags}", {"env": [{"name": "JAVA_TOOL_OPTIONS", **flags}]}, "env", "agents alone")
        for flags in (
            {"value": "-Dzookeeper.skipACL=yes"},
            {"value": "-javaagent:/a.jar -Dzookeeper.skipACL=yes"},
            {"value": "-javaagent:/a.jar=$(MORE)"},
            {"valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}},
        )
    ),
    *(
        _pod(
            f"a mount at {path}",
            {"volumeMounts": [{"name": "settings", "mountPath": path}], "volumes": [_VOLUME]},
            "volumeMounts[0].mountPath",
            "mount it elsewhere",
        )
        for path in ("/data", "/data/data/version-2", "/conf", "/config/start.sh", "/run", "/run/tls/x", "/dev")
    ),
    *(
        _pod(
            f"a mount at {path}",
            {"volumeMounts": [{"name": "settings", "mountPath": path}], "volumes": [_VOLUME]},
            "volumeMounts[0].mountPath",
            "write an absolute path",
        )
        for path in ("agents", "/agents/../data", "/agents/", "/", "//data", "/a:b")
    ),
    _pod(
        "a path out of the volume",
        {"volumeMounts": [{"name": "settings", "mountPath": "/a", "subPath": "../b"}], "volumes": [_VOLUME]},
        "volumeMounts[0].subPath",
        "within the volume",
    ),
    _pod(
        "two mounts at one path",
        {"volumeMounts": [{"name": "settings", "mountPath": "/a"}] * 2, "volumes": [_VOLUME]},
        "volumeMounts",
        "mountPath once",
        _ONCE,
        "volumeMounts[1]",
    ),
    _pod("a mount of no volume", {"volumeMounts": [{"name": "a", "mountPath": "/a"}]}, "volumes", "spec.pod.volumes"),
    _pod(
        "a mount of the data by the member",
        {"volumeMounts": [{"name": "data", "mountPath": "/a", "readOnly": True}]},
        "volumes",
        "none of the member's own",
    ),
    *(
        _pod(
            f"the member's own volume {name}", {"volumes": [{"name": name, "emptyDir": {}}]}, "volumes", "another name"
        )
        for name in ("data", "config", "scratch", "certificates", "tls", "log")
    ),
    _pod("a volume in capitals", {"volumes": [{"name": "A", "emptyDir": {}}]}, "volumes[0].name", "lower-case"),
    _pod("a volume twice", {"volumes": [_VOLUME] * 2}, "volumes", "name once", _ONCE, "volumes[1]"),
    _pod("a volume of nothing", {"volumes": [{"name": "a"}]}, "volumes[0]", "exactly one of configMap"),
    _pod(
        "a source of nothing",
        {"volumes": [{"name": "a", "projected": {"sources": [{}]}}]},
        "volumes[0].projected.sources[0]",
        "exactly one of configMap",
    ),
    _pod(
        "a file of nothing",
        {"volumes": [{"name": "a", "downwardAPI": {"items": [{"path": "a"}]}}]},
        "volumes[0].downwardAPI.items[0]",
        "exactly one of fieldRef",
    ),
    _pod(
        "a profile of nobody",
        {"securityContext": {"seccompProfile": {"type": "Localhost"}}},
        "securityContext.seccompProfile",
        "localhostProfile",
    ),
    _pod("root", {"securityContext": {"runAsUser": 0}}, "securityContext.runAsUser", "at least 1", "equal to 1"),
    _pod(
        "an address in words", {"hostAliases": [{"ip": "home", "hostnames": ["a"]}]}, "hostAliases[0].ip", "IP address"
    ),
    _pod(
        "a host in capitals", {"hostAliases": [{"ip": "::1", "hostnames": ["A"]}]}, "hostAliases[0].hostnames[0]", "DNS"
    ),
    _pod(
        "an address twice",
        {"hostAliases": [{"ip": "::1", "hostnames": ["a"]}] * 2},
        "hostAliases",
        "ip once",
        _ONCE,
        "hostAliases[1]",
    ),
    _pod(
        "a container twice",
        {"containers": [{"name": "a", "image": "a"}] * 2},
        "containers",
        "name once",
        _ONCE,
        "containers[1]",
    ),
    _pod(
        "a container twice before the member",
        {"initContainers": [{"name": "a", "image": "a"}] * 2},
        "initContainers",
        "name once",
        _ONCE,
        "initContainers[1]",
    ),
    _pod(
        "a container before and beside the member",
        {"containers": [{"name": "a", "image": "a"}], "initContainers": [{"name": "a", "image": "a"}]},
        "initContainers",
        "in containers as well",
    ),
    _sidecar("the member's own container", {"name": "zookeeper"}, "containers[0].name", "cannot be overridden"),
    _sidecar("a container in capitals", {"name": "A"}, "containers[0].name", "lower-case"),
    _sidecar("the member's port", {"ports": [{"containerPort": 2181}]}, "containers[0].ports", "another port"),
    _sidecar(
        "the name of the member's port",
        {"ports": [{"name": "metrics", "containerPort": 1}]},
        "containers[0].ports",
        "another name",
    ),
    _sidecar(
        "a port in capitals",
        {"ports": [{"name": "A", "containerPort": 1}]},
        "containers[0].ports[0].name",
        "lower-case",
    ),
    _sidecar(
        "a port twice",
        {"ports": [{"containerPort": 1}] * 2},
        "containers[0].ports",
        "protocol once",
        _ONCE,
        "containers[0].ports[1]",
    ),
    _sidecar("a probe of nothing", {"livenessProbe": {}}, "containers[0].livenessProbe", "exactly one of exec"),
    *(
        _sidecar(
            f"{name} mounted by others",
            {"volumeMounts": [{"name": name, "mountPath": "/a"}]},
            "containers[0].volumeMounts",
            "with readOnly: true",
        )
        for name in ("data", "config", "certificates")
    ),
    _sidecar(
        "two mounts at one path of a sidecar",
        {"volumeMounts": [{"name": "settings", "mountPath": "/a"}] * 2},
        "containers[0].volumeMounts",
        "mountPath once",
        _ONCE,
        "containers[0].volumeMounts[1]",
    ),
    _sidecar(
        "a sidecar with a volume of nobody",
        {"volumeMounts": [{"name": "other", "mountPath": "/a"}]},
        "volumes",
        "spec.pod.volumes",
    ),
    _sidecar(
        "a probe of what ends",
        {"livenessProbe": {"tcpSocket": {"port": 1}}},
        "initContainers[0]",
        "restartPolicy: Always",
    ),
    _affinity(
        "operator of its own",
        {"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Is"}]}]}}},
        f"nodeAffinity.{_REQUIRED}.nodeSelectorTerms[0].matchExpressions[0].operator",
        "'NotIn'",
        '"NotIn"',
    ),
    _affinity(
        "comparison of pods by size",
        {
            "podAffinity": {
                _REQUIRED: [
                    {"topologyKey": "a", "labelSelector": {"matchExpressions": [{"key": "a", "operator": "Gt"}]}}
                ]
            }
        },
        f"podAffinity.{_REQUIRED}[0].labelSelector.matchExpressions[0].operator",
        "'NotIn'",
        '"NotIn"',
    ),
    _affinity(
        "nodes of no term",
        {"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": []}}},
        f"nodeAffinity.{_REQUIRED}.nodeSelectorTerms",
        "at least 1",
        "at least 1 items",
    ),
    _affinity(
        "preference of no weight",
        {"nodeAffinity": {_PREFERRED: [{"weight": 0, "preference": {}}]}},
        f"nodeAffinity.{_PREFERRED}[0].weight",
        "at least 1",
        "equal to 1",
    ),
    _affinity(
        "pods without a domain",
        {"podAntiAffinity": {_REQUIRED: [{"labelSelector": {}}]}},
        f"podAntiAffinity.{_REQUIRED}[0].topologyKey",
        "is missing",
        "Required",
    ),
)
