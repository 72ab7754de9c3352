"""ZNodes that hold it wrong."""

from tests.support.models.bad import Bad, Spec


def _znode(claim: str, spec: Spec, where: str, says: str, server_says: str = "", **more: str) -> Bad:
    whole = {"clusterRef": {"name": "main"}, **spec}
    kept = {key: value for key, value in whole.items() if value is not None}
    return Bad(claim, "ZNode", kept, where, says, server_says, **more)


def _entry(claim: str, entry: Spec, where: str, says: str, server_says: str = "") -> Bad:
    return _znode(claim, {"acl": [{"perms": "r", **entry}]}, f"spec.acl[0]{where}", says, server_says)


_READER: Spec = {"secretRef": {"name": "reader"}}

TENANTS = (
    _znode("a znode nowhere", {"clusterRef": None}, "spec.clusterRef", "is missing", "Required"),
    _znode("a tenant of everything", {"path": "/"}, "spec.path", "belongs to everybody"),
    _znode("a tenant without a slash", {"path": "apps"}, "spec.path", "write an absolute path"),
    _znode("a tenant that climbs", {"path": "/apps/../bank"}, "spec.path", "remove '.' and '..'"),
    _znode("a tenant of quotas", {"path": "/zookeeper/quota"}, "spec.path", "belongs to ZooKeeper"),
    _znode("a tenant of records", {"path": "/zkoperator/znodes"}, "spec.path", "belongs to the operator"),
    _znode("a Secret that nobody uses", {"credentials": _READER}, "spec.credentials.secretRef", "with type: Secret"),
    _znode("no Secret", {"credentials": {"type": "Secret"}}, "spec.credentials.secretRef", "with type: Secret"),
    _znode("credentials of a kind", {"credentials": {"type": "Kerberos"}}, "spec.credentials.type", "'None'", '"None"'),
    _entry("everybody by name", {"scheme": "world", "id": "anyone"}, "", "none of them with scheme world"),
    _entry("an address of nobody", {"scheme": "ip"}, "", "write id, or with scheme digest secretRef"),
    _entry("an address in a Secret", {"scheme": "ip", **_READER}, "", "write id, or with scheme digest secretRef"),
    _entry("two identities", {"scheme": "digest", "id": f"a:{'b' * 27}=", **_READER}, "", "write id, or with scheme"),
    _entry("a password in the open", {"scheme": "digest", "id": "a:secret"}, ".id", "without the password"),
    _entry("a line in an id", {"scheme": "x509", "id": "CN=a\nCN=b"}, ".id", "without control characters"),
    _entry("another scheme", {"scheme": "sasl", "id": "a"}, ".scheme", "'x509'", '"x509"'),
    _entry("unknown permissions", {"scheme": "world", "perms": "rx"}, ".perms", "letters crwda in this order"),
    _znode("a quota of nothing", {"quota": {}}, "spec.quota", "write count, bytes or both"),
    _znode("a quota of no znodes", {"quota": {"count": 0}}, "spec.quota.count", "1", "greater than or equal to 1"),
    _znode("a quota of no bytes", {"quota": {"bytes": "0"}}, "spec.quota.bytes", "larger than nothing"),
    _znode("another end of the znodes", {"onDelete": "Destroy"}, "spec.onDelete", "'Retain'", '"Retain"'),
    _znode(
        "a long name of a znode", {}, "metadata.name", "at most 250", "metadata.name", name="a" * 251, server_field=" "
    ),
)
