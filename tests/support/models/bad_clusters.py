"""Clusters that hold it wrong."""

from typing import Any

from tests.support.models.bad import Bad, bad_cluster


def _config(claim: str, config: dict[str, str], says: str, server_says: str = "", key: str = "") -> Bad:
    # The API server writes the path of a key in a notation of its own: spec.config.[tickTime].
    return bad_cluster(claim, {"config": config}, f"spec.config{key}", says, server_says, server_field="spec.config")


def _flag(claim: str, flag: str, says: str, server_says: str = "") -> Bad:
    return bad_cluster(claim, {"jvm": {"flags": [flag]}}, "spec.jvm.flags", says, server_says)


def _grant(claim: str, where: str, says: str, **fields: Any) -> Bad:
    grant = {"name": "a", "namespaces": {"names": ["shop"]}, "paths": ["/apps"], **fields}
    return bad_cluster(claim, {"grants": [grant]}, f"spec.grants[0].{where}", says)


def _origin(claim: str, where: str, says: str, server_says: str = "", **origin: Any) -> Bad:
    spec = {"bootstrap": {"fromBackup": origin}}
    return bad_cluster(claim, spec, f"spec.bootstrap.fromBackup{where}", says, server_says)


def _outside(claim: str, where: str, says: str, server_says: str = "", **access: Any) -> Bad:
    spec = {"externalAccess": {"type": "LoadBalancer", "plaintext": "Allowed", **access}}
    return bad_cluster(claim, spec, f"spec.externalAccess.{where}", says, server_says)


_ON_NODES = {"type": "NodePort"}
_REFUSING = {"client": {"certificate": {"selfSigned": {}}, "plaintext": "Refused"}}
_BACKUPS = {"persistentVolumeClaim": {"claimName": "backups"}}
_PATH = "demo/main/uid/20261129T120000Z-50000002a"


CLUSTERS = (
    _origin("a backup of no name", "", "exactly one of name"),
    _origin("a backup by name and place", "", "exactly one of name", name="a", storage=_BACKUPS, path=_PATH),
    _origin("a backup somewhere in a storage", ".path", "exactly where storage is written", storage=_BACKUPS),
    _origin("a backup without a time", ".path", "status.location", storage=_BACKUPS, path="demo/main/uid"),
    _origin("a backup above the storage", ".path", "status.location", storage=_BACKUPS, path=f"../{_PATH}"),
    bad_cluster(
        "a backup for volumes that go with their pods",
        {"bootstrap": {"fromBackup": {"name": "a"}}, "storage": {"type": "Ephemeral"}},
        "spec.bootstrap",
        "before any member starts",
    ),
    _grant("a grant for nobody", "namespaces", "a grant without them is for nobody", namespaces={}),
    _grant("a grant for a part of a name", "paths[0]", "as a whole name, and no other braces", paths=["/x{namespace}"]),
    _grant("a grant with a word that stands for nothing", "paths[0]", "no other braces", paths=["/apps/{name}"]),
    _grant("a grant that climbs", "paths[0]", "remove '.' and '..'", paths=["/apps/../bank"]),
    bad_cluster("no member", {"replicas": 0}, "spec.replicas", "at least 1", "greater than or equal to 1"),
    bad_cluster("ten members", {"replicas": 10}, "spec.replicas", "at most 9", "less than or equal to 9"),
    bad_cluster("replicas as text", {"replicas": "3"}, "spec.replicas", "whole number, without quotes", "type integer"),
    bad_cluster(
        "storage of another kind", {"storage": {"type": "Disk"}}, "spec.storage.type", "'Persistent'", '"Persistent"'
    ),
    bad_cluster("image with a space", {"image": "zookeeper: 3.9"}, "spec.image", "registry/repository:tag"),
    bad_cluster("image with a line break", {"image": "zookeeper\nx"}, "spec.image", "registry/repository:tag"),
    bad_cluster(
        "pull policy of its own", {"imagePullPolicy": "Sometimes"}, "spec.imagePullPolicy", "'Always'", '"Always"'
    ),
    bad_cluster(
        "pull secret without a name",
        {"imagePullSecrets": [{"name": "Not A Name"}]},
        "spec.imagePullSecrets[0].name",
        "lower-case letters",
    ),
    bad_cluster("paused as text", {"paused": "yes"}, "spec.paused", "true or false", "type boolean"),
    bad_cluster("log level of its own", {"logLevel": "LOUD"}, "spec.logLevel", "'INFO'", '"INFO"'),
    bad_cluster(
        "heap of everything", {"jvm": {"heapPercent": 100}}, "spec.jvm.heapPercent", "at most 80", "equal to 80"
    ),
    bad_cluster(
        "cpu in words", {"resources": {"limits": {"cpu": "two"}}}, "spec.resources.limits.cpu", "500m", "match"
    ),
    bad_cluster(
        "memory beyond all numbers",
        {"resources": {"limits": {"memory": 2**63}}},
        "spec.resources.limits.memory",
        "500m",
        "integer,string",
    ),
    bad_cluster("volume of no size", {"storage": {"size": "0"}}, "spec.storage.size", "such as 10Gi"),
    bad_cluster("volume in words", {"storage": {"size": "10 GB"}}, "spec.storage.size", "such as 10Gi"),
    bad_cluster(
        "retention in words",
        {"storage": {"retention": {"whenScaled": "Keep"}}},
        "spec.storage.retention.whenScaled",
        "'Retain'",
        '"Retain"',
    ),
    bad_cluster(
        "the operator's label", {"pod": {"labels": {"app.kubernetes.io/name": "x"}}}, "spec.pod.labels", "remove"
    ),
    bad_cluster("the operator's prefix", {"pod": {"labels": {"zkoperator.dev/x": "x"}}}, "spec.pod.labels", "remove"),
    bad_cluster(
        "the operator's annotation",
        {"pod": {"annotations": {"zkoperator.dev/x": "x"}}},
        "spec.pod.annotations",
        "remove",
    ),
    bad_cluster("label without a key", {"pod": {"labels": {"": "x"}}}, "spec.pod.labels", "prefix/name"),
    bad_cluster("label with a space", {"pod": {"labels": {"my team": "x"}}}, "spec.pod.labels", "prefix/name"),
    bad_cluster("label of two prefixes", {"pod": {"labels": {"a/b/c": "x"}}}, "spec.pod.labels", "prefix/name"),
    bad_cluster(
        "label in words",
        {"pod": {"labels": {"team": "the shop"}}},
        "spec.pod.labels.team",
        "63 letters",
        server_field="spec.pod.labels[team]",
    ),
    bad_cluster(
        "annotation with a space", {"pod": {"annotations": {"a b": ""}}}, "spec.pod.annotations", "prefix/name"
    ),
    bad_cluster(
        "node in words",
        {"pod": {"nodeSelector": {"disk": "-"}}},
        "spec.pod.nodeSelector.disk",
        "63 letters",
        server_field="spec.pod.nodeSelector[disk]",
    ),
    bad_cluster(
        "node label with a space", {"pod": {"nodeSelector": {"a b": ""}}}, "spec.pod.nodeSelector", "prefix/name"
    ),
    bad_cluster(
        "effect of its own",
        {"pod": {"tolerations": [{"effect": "Never"}]}},
        "spec.pod.tolerations[0].effect",
        "'NoSchedule'",
        '"NoSchedule"',
    ),
    bad_cluster(
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
    bad_cluster(
        "no time to stop",
        {"pod": {"terminationGracePeriodSeconds": 0}},
        "spec.pod.terminationGracePeriodSeconds",
        "at least 5",
        "equal to 5",
    ),
    bad_cluster(
        "priority class in words", {"pod": {"priorityClassName": "Very High"}}, "spec.pod.priorityClassName", "lower"
    ),
    bad_cluster(
        "name too long for labels", {}, "metadata.name", "at most 49", "at most 49", name="m" * 50, server_field=" "
    ),
    bad_cluster("name that no Service may have", {}, "metadata.name", "starts with a", name="1zk", server_field=" "),
    bad_cluster(
        "name with an underscore",
        {},
        "metadata.name",
        "starts with a letter",
        "lowercase",
        name="a_b",
        server_field=" ",
    ),
    bad_cluster("name with a dot", {}, "metadata.name", "starts with a letter", name="zk.main", server_field=" "),
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
    bad_cluster(
        "an operator without a certificate among those that need one",
        {"config": {"enforce.auth.enabled": "true", "enforce.auth.schemes": "x509"}},
        "spec.config",
        "the operator itself would be shut out",
    ),
    bad_cluster(
        "a certificate from two places",
        {"tls": {"client": {"certificate": {"selfSigned": {}, "secretName": "a"}, "plaintext": "Allowed"}}},
        "spec.tls.client.certificate",
        "write exactly one of selfSigned",
    ),
    bad_cluster(
        "a life in days",
        {"tls": {"quorum": {"certificate": {"selfSigned": {"duration": "90d"}}}}},
        "spec.tls.quorum.certificate.selfSigned.duration",
        "write hours or minutes, such as 2160h",
    ),
    bad_cluster(
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
    bad_cluster(
        "two families for one", {"service": {"ipFamilies": ["IPv4", "IPv6"]}}, "spec.service.ipFamilies", "two families"
    ),
    bad_cluster(
        "one family for two",
        {"service": {"ipFamilies": ["IPv6"], "ipFamilyPolicy": "PreferDualStack"}},
        "spec.service.ipFamilies",
        "two families",
    ),
    bad_cluster(
        "a family twice",
        {"service": {"ipFamilies": ["IPv4", "IPv4"], "ipFamilyPolicy": "PreferDualStack"}},
        "spec.service.ipFamilies",
        "each family once",
    ),
    bad_cluster(
        "another policy of families",
        {"service": {"ipFamilyPolicy": "DualStack"}},
        "spec.service.ipFamilyPolicy",
        "'SingleStack'",
        '"SingleStack"',
    ),
    bad_cluster(
        "another family", {"service": {"ipFamilies": ["IPv5"]}}, "spec.service.ipFamilies[0]", "'IPv4'", '"IPv4"'
    ),
    bad_cluster(
        "the open door without a word",
        {"externalAccess": {"type": "LoadBalancer"}},
        "spec.externalAccess.plaintext",
        "write Allowed, or write spec.tls.client",
    ),
    bad_cluster(
        "outside what nobody may have inside",
        {"externalAccess": {"type": "LoadBalancer", "plaintext": "Allowed"}, "tls": _REFUSING},
        "spec.externalAccess.plaintext",
        "spec.tls.client.plaintext refuses it to everybody",
    ),
    _outside("external access from inside", "type", "'LoadBalancer'", '"LoadBalancer"', type="ClusterIP"),
    _outside(
        "a filter that nobody applies", "sourceRanges", "load balancers alone", sourceRanges=["10.0.0.0/8"], **_ON_NODES
    ),
    _outside("an address for a range", "sourceRanges[0]", "203.0.113.7/32", sourceRanges=["203.0.113.7"]),
    _outside("a range of too many bits", "sourceRanges[0]", "203.0.113.7/32", sourceRanges=["203.0.113.7/33"]),
    _outside("ports on nodes of a load balancer", "nodePorts", "write type: NodePort", nodePorts={"tls": 32281}),
    _outside("one port for two", "nodePorts", "that differ", nodePorts={"tls": 32281, "plaintext": 32281}, **_ON_NODES),
    _outside(
        "ports of members that meet",
        "nodePorts",
        "by at least 9",
        nodePorts={"tls": 32181, "plaintext": 32189},
        perMember=True,
        **_ON_NODES,
    ),
    _outside(
        "a port with none after it",
        "nodePorts.tls",
        "at most 65527",
        "equal to 65527",
        nodePorts={"tls": 65530},
        **_ON_NODES,
    ),
    _outside("one name for each", "hostnames", "write {ordinal} in it", hostnames="zk.example.com", perMember=True),
    _outside("a name with its port", "hostnames", "write a DNS name", hostnames="zk.example.com:2181"),
    _outside("another placeholder", "hostnames", "write a DNS name", hostnames="zk-{name}.example.com"),
    _outside(
        "a name twice",
        "annotations",
        "hostnames writes it",
        hostnames="zk.example.com",
        annotations={"external-dns.alpha.kubernetes.io/hostname": "zk.example.com"},
    ),
)
