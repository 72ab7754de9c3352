"""Objects that hold it wrong, each with the field and the advice that whoever refuses it must give.

One table for both judges: the operator's models (unit tests) and a real API server with our CRDs (integration tests).
"""

from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bad:
    """A manifest with one thing wrong.

    `says` is part of the operator's message; `server_says` part of the API server's where that one is in its own words.
    """

    claim: str
    kind: str
    spec: Spec
    field: str
    says: str
    server_says: str = ""
    name: str = "main"
    server_field: str = ""

    def __str__(self) -> str:
        return self.claim.replace(" ", "-")

    @property
    def manifest(self) -> dict[str, Any]:
        return {
            "apiVersion": "zkoperator.dev/v1alpha1",
            "kind": self.kind,
            "metadata": {"name": self.name},
            "spec": self.spec,
        }


def _cluster(claim: str, spec: Spec, where: str, says: str, server_says: str = "", **more: str) -> Bad:
    return Bad(claim, "ZooKeeperCluster", spec, where, says, server_says, **more)


def _config(claim: str, config: dict[str, str], says: str, server_says: str = "", key: str = "") -> Bad:
    # The API server writes the path of a key in a notation of its own: spec.config.[tickTime].
    return _cluster(claim, {"config": config}, f"spec.config{key}", says, server_says, server_field="spec.config")


def _flag(claim: str, flag: str, says: str, server_says: str = "") -> Bad:
    return _cluster(claim, {"jvm": {"flags": [flag]}}, "spec.jvm.flags", says, server_says)


_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def _affinity(claim: str, affinity: dict[str, Any], where: str, says: str, server_says: str) -> Bad:
    return _cluster(claim, {"pod": {"affinity": affinity}}, f"spec.pod.affinity.{where}", says, server_says)


def _pod(claim: str, pod: Spec, where: str, says: str, server_says: str = "", server_field: str = "") -> Bad:
    field = f"spec.pod.{server_field}" if server_field else ""
    return _cluster(claim, {"pod": pod}, f"spec.pod.{where}", says, server_says, server_field=field)


def _sidecar(claim: str, part: Spec, where: str, says: str, server_says: str = "", server_field: str = "") -> Bad:
    """One thing wrong in a container beside the member, or in one before it where `part` says so."""
    kind = "initContainers" if where.startswith("initContainers") else "containers"
    entry = {"name": "shipper", "image": "shipper:1", **part}
    pod = {kind: [entry], "volumes": [{"name": "settings", "emptyDir": {}}]}
    return _pod(claim, pod, where or kind, says, server_says, server_field)


_CLUSTER = {"clusterRef": {"name": "main"}}
_SOURCE = {**_CLUSTER, "path": "/apps/shop"}
_PULL = {"direction": "ZooKeeperToConfigMap"}


def _sync(claim: str, spec: Spec, where: str, says: str, server_says: str = "", **more: str) -> Bad:
    return Bad(claim, "ConfigSync", {"zookeeper": _SOURCE, **spec}, where, says, server_says, **more)


def _path(claim: str, path: str, says: str) -> Bad:
    return _sync(claim, {"zookeeper": {**_SOURCE, "path": path}}, "spec.zookeeper.path", says)


def _sources(claim: str, sources: list[Spec], where: str, says: str, server_says: str = "", **spec: str) -> Bad:
    return _sync(claim, {"zookeeper": {**_CLUSTER, "sources": sources}, **_PULL, **spec}, where, says, server_says)


def _hosts(claim: str, hosts: str) -> Bad:
    return _sync(claim, {"zookeeper": {"hosts": hosts, "path": "/a"}}, "spec.zookeeper.hosts", "write host:port")


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
)


CLUSTERS = (
    *PODS,
    _cluster("no member", {"replicas": 0}, "spec.replicas", "at least 1", "greater than or equal to 1"),
    _cluster("ten members", {"replicas": 10}, "spec.replicas", "at most 9", "less than or equal to 9"),
    _cluster("replicas as text", {"replicas": "3"}, "spec.replicas", "whole number, without quotes", "type integer"),
    _cluster(
        "storage of another kind", {"storage": {"type": "Disk"}}, "spec.storage.type", "'Persistent'", '"Persistent"'
    ),
    _cluster("image with a space", {"image": "zookeeper: 3.9"}, "spec.image", "registry/repository:tag"),
    _cluster("image with a line break", {"image": "zookeeper\nx"}, "spec.image", "registry/repository:tag"),
    _cluster(
        "pull policy of its own", {"imagePullPolicy": "Sometimes"}, "spec.imagePullPolicy", "'Always'", '"Always"'
    ),
    _cluster(
        "pull secret without a name",
        {"imagePullSecrets": [{"name": "Not A Name"}]},
        "spec.imagePullSecrets[0].name",
        "lower-case letters",
    ),
    _cluster("paused as text", {"paused": "yes"}, "spec.paused", "true or false", "type boolean"),
    _cluster("log level of its own", {"logLevel": "LOUD"}, "spec.logLevel", "'INFO'", '"INFO"'),
    _cluster("heap of everything", {"jvm": {"heapPercent": 100}}, "spec.jvm.heapPercent", "at most 80", "equal to 80"),
    _cluster("cpu in words", {"resources": {"limits": {"cpu": "two"}}}, "spec.resources.limits.cpu", "500m", "match"),
    _cluster(
        "memory beyond all numbers",
        {"resources": {"limits": {"memory": 2**63}}},
        "spec.resources.limits.memory",
        "500m",
        "integer,string",
    ),
    _cluster("volume of no size", {"storage": {"size": "0"}}, "spec.storage.size", "such as 10Gi"),
    _cluster("volume in words", {"storage": {"size": "10 GB"}}, "spec.storage.size", "such as 10Gi"),
    _cluster(
        "retention in words",
        {"storage": {"retention": {"whenScaled": "Keep"}}},
        "spec.storage.retention.whenScaled",
        "'Retain'",
        '"Retain"',
    ),
    _cluster("the operator's label", {"pod": {"labels": {"app.kubernetes.io/name": "x"}}}, "spec.pod.labels", "remove"),
    _cluster("the operator's prefix", {"pod": {"labels": {"zkoperator.dev/x": "x"}}}, "spec.pod.labels", "remove"),
    _cluster(
        "the operator's annotation",
        {"pod": {"annotations": {"zkoperator.dev/x": "x"}}},
        "spec.pod.annotations",
        "remove",
    ),
    _cluster("label without a key", {"pod": {"labels": {"": "x"}}}, "spec.pod.labels", "prefix/name"),
    _cluster("label with a space", {"pod": {"labels": {"my team": "x"}}}, "spec.pod.labels", "prefix/name"),
    _cluster("label of two prefixes", {"pod": {"labels": {"a/b/c": "x"}}}, "spec.pod.labels", "prefix/name"),
    _cluster(
        "label in words",
        {"pod": {"labels": {"team": "the shop"}}},
        "spec.pod.labels.team",
        "63 letters",
        server_field="spec.pod.labels[team]",
    ),
    _cluster("annotation with a space", {"pod": {"annotations": {"a b": ""}}}, "spec.pod.annotations", "prefix/name"),
    _cluster(
        "node in words",
        {"pod": {"nodeSelector": {"disk": "-"}}},
        "spec.pod.nodeSelector.disk",
        "63 letters",
        server_field="spec.pod.nodeSelector[disk]",
    ),
    _cluster("node label with a space", {"pod": {"nodeSelector": {"a b": ""}}}, "spec.pod.nodeSelector", "prefix/name"),
    _cluster(
        "effect of its own",
        {"pod": {"tolerations": [{"effect": "Never"}]}},
        "spec.pod.tolerations[0].effect",
        "'NoSchedule'",
        '"NoSchedule"',
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
    _cluster(
        "selector in words",
        {
            "pod": {
                "topologySpreadConstraints": [
                    {"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": "all"}
                ]
            }
        },
        "spec.pod.topologySpreadConstraints[0].labelSelector",
        "map of fields",
        "type object",
    ),
    _cluster(
        "no time to stop",
        {"pod": {"terminationGracePeriodSeconds": 0}},
        "spec.pod.terminationGracePeriodSeconds",
        "at least 5",
        "equal to 5",
    ),
    _cluster(
        "priority class in words", {"pod": {"priorityClassName": "Very High"}}, "spec.pod.priorityClassName", "lower"
    ),
    _cluster(
        "name too long for labels", {}, "metadata.name", "at most 49", "at most 49", name="m" * 50, server_field=" "
    ),
    _cluster("name that no Service may have", {}, "metadata.name", "starts with a", name="1zk", server_field=" "),
    _cluster(
        "name with an underscore",
        {},
        "metadata.name",
        "starts with a letter",
        "lowercase",
        name="a_b",
        server_field=" ",
    ),
    _cluster("name with a dot", {}, "metadata.name", "starts with a letter", name="zk.main", server_field=" "),
    _config("membership by hand", {"server.1": "a:2888:3888;2181"}, "spec.replicas"),
    _config("reconfiguration off", {"reconfigEnabled": "false"}, "membership is the operator's job"),
    _config("data elsewhere", {"dataDir": "/tmp"}, "write spec.storage"),
    _config("another client port", {"clientPort": "2182"}, "files and ports"),
    _config("writes not on disk", {"forceSync": "no"}, "loses acknowledged writes", key=".forceSync"),
    _config("votes of the forgetful", {"snapshot.trust.empty": "true"}, "vote with an empty disk"),
    _config("SASL", {"sessionRequireClientSASLAuth": "true"}, "give clients certificates"),
    _config("access control off", {"skipACL": "yes"}, "access control stays enforced"),
    _config(
        "another superuser", {"DigestAuthenticationProvider.superDigest": "super:x"}, "superuser is the operator's"
    ),
    _config("own TLS", {"ssl.keyStore.location": "/x"}, "follows from spec.tls"),
    _config("a scheme that proves nothing", {"enforce.auth.schemes": "digest"}, "x509", key="[enforce.auth.schemes]"),
    _cluster(
        "an operator without a certificate among those that need one",
        {"config": {"enforce.auth.enabled": "true", "enforce.auth.schemes": "x509"}},
        "spec.config",
        "the operator itself would be shut out",
    ),
    _cluster(
        "a certificate from two places",
        {"tls": {"client": {"certificate": {"selfSigned": {}, "secretName": "a"}, "plaintext": "Allowed"}}},
        "spec.tls.client.certificate",
        "write exactly one of selfSigned",
    ),
    _cluster(
        "a life in days",
        {"tls": {"quorum": {"certificate": {"selfSigned": {"duration": "90d"}}}}},
        "spec.tls.quorum.certificate.selfSigned.duration",
        "write hours or minutes, such as 2160h",
    ),
    _cluster(
        "a name with a port",
        {
            "tls": {
                "client": {
                    "certificate": {"selfSigned": {}},
                    "plaintext": "Allowed",
                    "additionalNames": ["zk.example.com:2281"],
                }
            }
        },
        "spec.tls.client.additionalNames[0]",
        "write a DNS name",
    ),
    _config("all commands", {"4lw.commands.whitelist": "*"}, "write some of srvr", key="[4lw.commands.whitelist]"),
    _config("metrics elsewhere", {"metricsProvider.className": "x.Y"}, "metrics are on port 7000"),
    _config("a chart's name for a key", {"autoPurgePurgeInterval": "1"}, "write autopurge.snapRetainCount"),
    _config("a chart's name for a field", {"heapSize": "1024"}, "write spec.jvm"),
    _config("a JVM property", {"jute.maxbuffer": "1"}, "-Djute.maxbuffer"),
    _config("a key that nobody knows", {"tickTimes": "2000"}, "not on the list", "none of tickTime"),
    _config("a second line", {"tickTime": "2000\nskipACL=yes"}, "remove line breaks"),
    _config("a second line in the key", {"a=b\nskipACL": "yes"}, "remove line breaks"),
    _config("a carriage return", {"snapCount": "1000\r"}, "remove line breaks"),
    _config("ticks in words", {"tickTime": "2s"}, "from 100 to 60000", key=".tickTime"),
    _config("ticks too short", {"tickTime": "99"}, "from 100 to 60000", key=".tickTime"),
    _config("ticks too long", {"tickTime": "60001"}, "from 100 to 60000", key=".tickTime"),
    _config("no purge", {"autopurge.purgeInterval": "0"}, "from 1 to 8760", key="[autopurge.purgeInterval]"),
    _config("audit in doubt", {"audit.enable": "maybe"}, "write true or false", key="[audit.enable]"),
    _config("a leader that answers nobody", {"leaderServes": "no"}, "as if it did not serve", key=".leaderServes"),
    _config("sessions of one member", {"localSessionsEnabled": "true"}, "a session of the whole ensemble"),
    _config("too few connections for the operator", {"maxClientCnxns": "9"}, "0 for no limit", key=".maxClientCnxns"),
    _flag("heap by flag", "-Xmx2g", "spec.jvm.heapPercent"),
    _flag("heap by percentage", "-XX:MaxRAMPercentage=90", "spec.jvm.heapPercent"),
    _flag("a property past the list", "-Dzookeeper.skipACL=yes", "spec.config"),
    _flag("a command on error", "-XX:OnOutOfMemoryError=reboot", "it runs a command"),
    _flag("an agent", "-javaagent:x.jar", "JAVA_TOOL_OPTIONS"),
    _flag("a debug port", "-agentlib:jdwp=transport", "debug port"),
    _flag("a management port", "-Dcom.sun.management.jmxremote.port=1", "management port"),
    _flag("an old debug port", "-Xdebug", "debug port"),
    _flag("loaded code", "-Xrunhprof", "loads code"),
    _flag("own name caches", "-Dsun.net.inetaddr.ttl=60", "short name caches"),
    _flag("a log in a file", "-Xlog:gc:file=gc.log", "any other output is a file"),
    _flag("a log in a file without saying so", "-Xlog:gc:/data/gc.log", "any other output is a file"),
    _flag("a shell's command", "-Xss1m$(reboot)", "without spaces"),
    _flag("two flags in one", "-Xss1m -Xmx2g", "without spaces"),
    _flag("a dump anywhere", "-XX:HeapDumpPath=/data/data/version-2/log.1", "HeapDumpPath=/data/name.hprof"),
    _flag("a collector of the past", "-XX:+UseConcMarkSweepGC", "does not start with it"),
    _flag("a log of the past", "-XX:+PrintGCDetails", "write -Xlog:gc"),
    _flag("a flag that nobody knows", "-XX:+UnlockDiagnosticVMOptions", "not on the list", "none of"),
)

SYNCS = (
    _sync(
        "a CA of its own for a cluster that says whom to trust",
        {"zookeeper": {**_SOURCE, "tls": {"caSecretName": "a"}}},
        "spec.zookeeper.tls.caSecretName",
        "leave it out with clusterRef",
    ),
    _sync("both sources", {"zookeeper": {**_SOURCE, "hosts": "a:2181"}}, "spec.zookeeper", "exactly one of"),
    _sync("no source", {"zookeeper": {"path": "/apps"}}, "spec.zookeeper", "exactly one of"),
    _sync("no path", {"zookeeper": _CLUSTER}, "spec.zookeeper", "exactly one of path"),
    _sync("no source in the list", {"zookeeper": {**_CLUSTER, "sources": []}}, "spec.zookeeper", "exactly one of path"),
    _sync(
        "a path and sources",
        {"zookeeper": {**_SOURCE, "sources": [{"path": "/a"}]}, **_PULL},
        "spec.zookeeper",
        "exactly one of path",
    ),
    _sources(
        "sources, both ways", [{"path": "/a"}], "spec.zookeeper.sources", "can only be pulled", direction="TwoWay"
    ),
    _sources("the end of sources", [{"path": "/a"}], "spec.onDelete", "deletes no znodes", onDelete="DeleteZnodes"),
    _sources("a source twice", [{"path": "/a"}, {"path": "/a"}], "spec.zookeeper.sources", "one is below the other"),
    _sources("a source in another", [{"path": "/a/b"}, {"path": "/a"}], "spec.zookeeper.sources", "below the other"),
    _sources("the whole tree as one of several", [{"path": "/"}], "spec.zookeeper.sources[0].path", "all others in it"),
    _sources(
        "a prefix that ends no key's name",
        [{"path": "/a", "prefix": "__x"}],
        "spec.zookeeper.sources[0].prefix",
        "beginning of keys",
    ),
    _sources(
        "a long prefix of a source",
        [{"path": "/a", "prefix": "x" * 129}],
        "spec.zookeeper.sources[0].prefix",
        "at most 128",
        "more than 128",
    ),
    _sources(
        "too many sources",
        [{"path": f"/a{number}"} for number in range(17)],
        "spec.zookeeper.sources",
        "at most 16",
        "at most 16 items",
    ),
    _path("path without a slash", "apps/shop", "absolute path such as /apps/shop"),
    _path("path that ends in a slash", "/apps/shop/", "none at the end"),
    _path("the whole tree, both ways", "/", "can only be pulled"),
    _sync(
        "the end of the whole tree",
        {
            "zookeeper": {**_SOURCE, "path": "/"},
            "direction": "ZooKeeperToConfigMap",
            "onDelete": "DeleteZnodes",
        },
        "spec.onDelete",
        "deletes no znodes",
    ),
    _path("an empty name", "/apps//shop", "absolute path"),
    _path("a line break", "/apps\n/shop", "no control characters"),
    _path("a character that ZooKeeper refuses", "/apps/\ue000", "no control characters"),
    _path("the parent", "/apps/../zookeeper", "remove '.' and '..'"),
    _path("the directory itself", "/apps/.", "remove '.' and '..'"),
    _path("ZooKeeper's own", "/zookeeper", "choose another subtree"),
    _path("below ZooKeeper's own", "/zookeeper/quota", "choose another subtree"),
    _path("the ledger", "/zkoperator", "choose another subtree"),
    _path("below the ledger", "/zkoperator/ledger", "choose another subtree"),
    _hosts("hosts with a path", "zk:2181/apps"),
    _hosts("hosts with a space", "a:2181, b:2181"),
    _hosts("a URL", "http://zk:2181"),
    _sync(
        "credentials in words",
        {"zookeeper": {**_SOURCE, "credentialsSecret": "My Secret"}},
        "spec.zookeeper.credentialsSecret",
        "lower-case letters",
    ),
    _sync(
        "cluster in words",
        {"zookeeper": {"clusterRef": {"name": "other/main"}, "path": "/a"}},
        "spec.zookeeper.clusterRef.name",
        "lower-case letters",
    ),
    _sync("a ConfigMap of Kubernetes", {"configMap": {"name": "kube-root-ca.crt"}}, "spec.configMap.name", "kube-"),
    _sync("a ConfigMap of Kubernetes by default", {}, "spec.configMap.name", "kube-", name="kube-proxy"),
    _sync("a ConfigMap elsewhere", {"configMap": {"name": "other/shop"}}, "spec.configMap.name", "lower-case"),
    _sync("a name that no label can hold", {}, "metadata.name", "at most 63", name="s" * 64, server_field=" "),
    _sync("another direction", {"direction": "Both"}, "spec.direction", "'TwoWay'", '"TwoWay"'),
    _sync("the newest wins", {"conflictPolicy": "Newest"}, "spec.conflictPolicy", "'Hold'", '"Hold"'),
    _sync("another adoption", {"adoptionPolicy": "Merge"}, "spec.adoptionPolicy", "'Union'", '"Union"'),
    _sync("another deletion", {"deletionPolicy": "Ignore"}, "spec.deletionPolicy", "'Retain'", '"Retain"'),
    _sync(
        "a guard below nothing",
        {"deletionGuard": {"maxKeys": -1}},
        "spec.deletionGuard.maxKeys",
        "at least 0",
        "equal to 0",
    ),
    _sync(
        "a guard above all",
        {"deletionGuard": {"maxPercent": 101}},
        "spec.deletionGuard.maxPercent",
        "at most 100",
        "equal to 100",
    ),
    _sync(
        "ephemerals from a ConfigMap",
        {"keys": {"ephemerals": "Include"}},
        "spec.keys.ephemerals",
        "direction: ZooKeeperToConfigMap",
    ),
    _sync(
        "the operator's label",
        {"configMap": {"labels": {"zkoperator.dev/sync": "x"}}},
        "spec.configMap.labels",
        "remove",
    ),
    _sync("a label with a space", {"configMap": {"labels": {"my team": "x"}}}, "spec.configMap.labels", "prefix/name"),
    _sync(
        "the operator's annotation",
        {"configMap": {"annotations": {"zkoperator.dev/base": "x"}}},
        "spec.configMap.annotations",
        "remove",
    ),
    _sync(
        "an annotation with a space",
        {"configMap": {"annotations": {"my team": "x"}}},
        "spec.configMap.annotations",
        "prefix/name",
    ),
    _sync(
        "a creator without an identity",
        {"zookeeper": {"clusterRef": {"name": "main"}, "path": "/apps/shop", "acl": "Creator"}},
        "spec.zookeeper.acl",
        "credentialsSecret",
    ),
    _sync("no pattern", {"keys": {"include": []}}, "spec.keys.include", "at least 1", "at least 1 items"),
    _sync(
        "a pattern from the root", {"keys": {"include": ["/db/**"]}}, "spec.keys.include[0]", "without a leading '/'"
    ),
    _sync("another separator", {"keys": {"separator": "/"}}, "spec.keys.separator", "'.'", '"."'),
    _sync("a prefix that no key has", {"keys": {"stripPrefix": "/conf"}}, "spec.keys.stripPrefix", "beginning of keys"),
    _sync(
        "a long prefix", {"keys": {"stripPrefix": "x" * 129}}, "spec.keys.stripPrefix", "at most 128", "more than 128"
    ),
    _sync("a pattern with a tab", {"keys": {"exclude": ["a\tb"]}}, "spec.keys.exclude[0]", "write a pattern"),
    _sync(
        "too many patterns", {"keys": {"exclude": ["x"] * 33}}, "spec.keys.exclude", "at most 32", "at most 32 items"
    ),
    _sync("a long pattern", {"keys": {"exclude": ["x" * 257]}}, "spec.keys.exclude[0]", "at most 256", "more than 256"),
    _sync("a job", {"rollout": [{"kind": "Job", "name": "x"}]}, "spec.rollout[0].kind", "'Deployment'", '"Deployment"'),
    _sync(
        "a nameless workload", {"rollout": [{"kind": "Deployment"}]}, "spec.rollout[0].name", "is missing", "Required"
    ),
    _sync(
        "a workload twice",
        {"rollout": [{"kind": "Deployment", "name": "a"}] * 2},
        "spec.rollout",
        "listed twice",
        "Duplicate value",
        server_field="spec.rollout[1]",
    ),
    _sync("another mode", {"mode": "Off"}, "spec.mode", "'Active'", '"Active"'),
    _sync("another end", {"onDelete": "DeleteAll"}, "spec.onDelete", "'Retain'", '"Retain"'),
)

_CLAIM: Spec = {"persistentVolumeClaim": {"claimName": "backups"}}


def _backup(claim: str, spec: Spec, where: str, says: str, server_says: str = "", **more: str) -> Bad:
    whole = {"clusterRef": {"name": "main"}, "storage": _CLAIM, **spec}
    kept = {key: value for key, value in whole.items() if value is not None}
    return Bad(claim, "ZooKeeperBackup", kept, where, says, server_says, **more)


_S3: Spec = {"bucket": "backups", "credentialsSecret": "a"}


def _bucket(claim: str, s3: Spec, where: str, says: str, server_says: str = "") -> Bad:
    kept = {key: value for key, value in {**_S3, **s3}.items() if value is not None}
    return _backup(claim, {"storage": {"s3": kept}}, f"spec.storage.s3.{where}", says, server_says)


BACKUPS = (
    _backup("a backup of nothing", {"clusterRef": None}, "spec", "exactly one of clusterRef"),
    _backup("a backup of two ensembles", {"hosts": "a:2181"}, "spec", "exactly one of clusterRef"),
    _backup("credentials for a cluster", {"credentialsSecret": "a"}, "spec.credentialsSecret", "as its superuser"),
    _backup("a host with a path", {"clusterRef": None, "hosts": "a:2181/b"}, "spec.hosts", "without a path"),
    _backup("a cluster in capitals", {"clusterRef": {"name": "A"}}, "spec.clusterRef.name", "lower-case"),
    _backup("no storage", {"storage": None}, "spec.storage", "is missing", "Required"),
    _backup("storage nowhere", {"storage": {}}, "spec.storage", "exactly one of persistentVolumeClaim"),
    _backup("two storages", {"storage": {**_CLAIM, "s3": _S3}}, "spec.storage", "exactly one of persistentVolumeClaim"),
    _bucket("a bucket in capitals", {"bucket": "Backups"}, "bucket", "lower-case"),
    _bucket("a prefix from the root", {"prefix": "/a"}, "prefix", "without '/' at its begin"),
    _bucket("an endpoint with a path", {"endpoint": "https://a/b"}, "endpoint", "without a path"),
    _bucket("a key without kms", {"kmsKeyId": "a"}, "kmsKeyId", "aws:kms"),
    _bucket("an authority in the clear", {"caSecret": "a", "endpoint": "http://a"}, "caSecret", "begins with https"),
    _bucket("another encryption", {"serverSideEncryption": "rot13"}, "serverSideEncryption", "'AES256'", '"AES256"'),
    _bucket("no credentials", {"credentialsSecret": None}, "credentialsSecret", "is missing", "Required"),
    _backup("another verification", {"verification": "Twice"}, "spec.verification", "'Structure'", '"Structure"'),
    _backup("another end of the data", {"deletionPolicy": "Keep"}, "spec.deletionPolicy", "'Delete'", '"Delete"'),
    _backup(
        "a long name of a backup", {}, "metadata.name", "at most 56", "metadata.name", name="a" * 57, server_field=" "
    ),
)

BAD_OBJECTS = (*CLUSTERS, *SYNCS, *BACKUPS)
