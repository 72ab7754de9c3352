"""ConfigSyncs that hold it wrong."""

from tests.support.models.bad import Bad, Spec

_CLUSTER = {"clusterRef": {"name": "main"}}
_SOURCE = {**_CLUSTER, "path": "/apps/shop"}
_PULL = {"direction": "ZooKeeperToConfigMap"}
_TEMPLATE = {"template": {"data": {"f": ""}}}


def _sync(claim: str, spec: Spec, where: str, says: str, server_says: str = "", **more: str) -> Bad:
    return Bad(claim, "ConfigSync", {"zookeeper": _SOURCE, **spec}, where, says, server_says, **more)


def _path(claim: str, path: str, says: str) -> Bad:
    return _sync(claim, {"zookeeper": {**_SOURCE, "path": path}}, "spec.zookeeper.path", says)


def _sources(claim: str, sources: list[Spec], where: str, says: str, server_says: str = "", **spec: str) -> Bad:
    return _sync(claim, {"zookeeper": {**_CLUSTER, "sources": sources}, **_PULL, **spec}, where, says, server_says)


def _hosts(claim: str, hosts: str) -> Bad:
    return _sync(claim, {"zookeeper": {"hosts": hosts, "path": "/a"}}, "spec.zookeeper.hosts", "write host:port")


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
    _sync("a file without a key", {"format": {"type": "Yaml"}}, "spec.format.key", "that has the file"),
    _sync("a key without a file", {"format": {"key": "a.yaml"}}, "spec.format.key", "write the type of the file"),
    _sync(
        "a key that is none", {"format": {"type": "Json", "key": "a/b"}}, "spec.format.key", "write a key of letters"
    ),
    _sync(
        "a syntax that is none", {"format": {"type": "Toml", "key": "a"}}, "spec.format.type", "", "Unsupported value"
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
    _sync("two targets", {"configMap": {"name": "a"}, "secret": {}}, "spec.configMap", "not in both"),
    _sync("a Secret of Kubernetes", {"secret": {"name": "kube-proxy"}}, "spec.secret.name", "kube-"),
    _sync("a Secret of Kubernetes by default", {"secret": {}}, "spec.secret.name", "kube-", name="kube-proxy"),
    _sync("a Secret elsewhere", {"secret": {"name": "other/shop"}}, "spec.secret.name", "lower-case"),
    _sync("a type in words", {"secret": {"type": "for TLS"}}, "spec.secret.type", "such as Opaque"),
    _sync("no type", {"secret": {"type": ""}}, "spec.secret.type", "at least 1", "at least 1 chars"),
    _sync("a long type", {"secret": {"type": "t" * 254}}, "spec.secret.type", "at most 253", "more than 253"),
    _sync(
        "a token of a service account",
        {"secret": {"type": "kubernetes.io/service-account-token"}},
        "spec.secret.type",
        "choose another type",
    ),
    _sync(
        "the operator's label on a Secret",
        {"secret": {"labels": {"zkoperator.dev/sync": "x"}}},
        "spec.secret.labels",
        "remove",
    ),
    _sync(
        "a label with a space on a Secret",
        {"secret": {"labels": {"my team": "x"}}},
        "spec.secret.labels",
        "prefix/name",
    ),
    _sync(
        "the operator's annotation on a Secret",
        {"secret": {"annotations": {"zkoperator.dev/base": "x"}}},
        "spec.secret.annotations",
        "remove",
    ),
    _sync(
        "an annotation with a space on a Secret",
        {"secret": {"annotations": {"my team": "x"}}},
        "spec.secret.annotations",
        "prefix/name",
    ),
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
    _sync("no templates", {**_PULL, "template": {"data": {}}}, "spec.template.data", "at least 1", "at least 1"),
    _sync(
        "too many templates",
        {**_PULL, "template": {"data": {f"f{number}": "" for number in range(17)}}},
        "spec.template.data",
        "at most 16",
        "at most 16",
    ),
    _sync("a file with a slash", {**_PULL, "template": {"data": {"a/b": ""}}}, "spec.template.data", "letters, digits"),
    _sync(
        "a long template",
        {**_PULL, "template": {"data": {"f": "x" * 65_537}}},
        "spec.template.data.f",
        "at most 65536",
        "more than 65536",
    ),
    _sync("a template both ways", {"template": {"data": {"f": ""}}}, "spec.direction", "ZooKeeperToConfigMap"),
    _sync(
        "a template and a format",
        {**_PULL, **_TEMPLATE, "format": {"type": "Json", "key": "f"}},
        "spec.format",
        "or template",
    ),
    _sync(
        "a template and a separator", {**_PULL, **_TEMPLATE, "keys": {"separator": "."}}, "spec.keys", "by their paths"
    ),
    _sync(
        "a template and prefixes",
        {
            **_PULL,
            **_TEMPLATE,
            "zookeeper": {"clusterRef": {"name": "main"}, "sources": [{"path": "/a", "prefix": "x"}]},
        },
        "spec.zookeeper.sources",
        "whole paths",
    ),
    _sync(
        "a template that deletes znodes",
        {**_PULL, **_TEMPLATE, "onDelete": "DeleteZnodes"},
        "spec.onDelete",
        "with template",
    ),
    _sync("another mode", {"mode": "Off"}, "spec.mode", "'Active'", '"Active"'),
    _sync("another end", {"onDelete": "DeleteAll"}, "spec.onDelete", "'Retain'", '"Retain"'),
)
