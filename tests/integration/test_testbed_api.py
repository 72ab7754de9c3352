"""The api size of the testbed, seen by plain HTTPS requests."""

import os
import subprocess

import pytest

from testbed.api import ApiServer
from testbed.processes import wait_for
from testbed.rest import ApiError, Rest
from tests.support.machines.testbed import ApiServerFactory

CONFIG_MAPS = "/api/v1/namespaces/{}/configmaps"
STATEFUL_SET = {
    "metadata": {"name": "three"},
    "spec": {
        "serviceName": "three",
        "replicas": 3,
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": {"app": "three"}},
        "template": {
            "metadata": {"labels": {"app": "three"}},
            "spec": {"containers": [{"name": "main", "image": "none.invalid/none"}]},
        },
    },
}


def test_controllers_make_the_pods_of_a_statefulset(api_server: ApiServer, namespace: str) -> None:
    rest = api_server.rest()
    rest("POST", f"/apis/apps/v1/namespaces/{namespace}/statefulsets", STATEFUL_SET)
    pods = f"/api/v1/namespaces/{namespace}/pods"
    wait_for("three pods", lambda: len(rest("GET", pods)["items"]) == 3, limit_s=30)


def test_garbage_collection_follows_owner_references(api_server: ApiServer, namespace: str) -> None:
    rest = api_server.rest()
    path = CONFIG_MAPS.format(namespace)
    owner = rest("POST", path, {"metadata": {"name": "owner"}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    rest("POST", path, {"metadata": {"name": "owned", "ownerReferences": [reference]}})
    rest("DELETE", f"{path}/owner")
    wait_for("the end of the owned object", lambda: not rest.ready(f"{path}/owned"), limit_s=60)


def test_a_service_account_may_do_what_its_role_says_and_no_more(api_server: ApiServer, namespace: str) -> None:
    rest = api_server.rest()
    rest("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "reader"}})
    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]
    rest("POST", f"{roles}/roles", {"metadata": {"name": "reader"}, "rules": rules})
    binding = {
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}],
    }
    rest("POST", f"{roles}/rolebindings", binding)
    reader = Rest(api_server.account_kubeconfig(namespace, "reader"))
    wait_for("the role", lambda: reader.ready(CONFIG_MAPS.format(namespace)), limit_s=10)
    with pytest.raises(ApiError) as refused:
        reader("GET", f"/api/v1/namespaces/{namespace}/secrets")
    assert refused.value.status == 403


def test_the_audit_log_tells_who_did_what(api_server: ApiServer, namespace: str) -> None:
    alice = Rest(api_server.user_kubeconfig("alice"))
    with pytest.raises(ApiError):
        alice("GET", CONFIG_MAPS.format(namespace))

    def recorded() -> bool:
        return any(
            event["user"].get("username") == "alice" and event["responseStatus"]["code"] == 403
            for event in api_server.audit_events()
        )

    wait_for("the record", recorded, limit_s=10)


def test_kubectl_of_the_same_version_works_with_the_kubeconfig(api_server: ApiServer) -> None:
    env = {**os.environ, "KUBECONFIG": str(api_server.kubeconfig)}
    argv = [str(api_server.kubectl), "get", "namespace", "default", "-o", "name"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "namespace/default"


def test_a_killed_server_refuses_and_comes_back_with_everything(api_servers: ApiServerFactory) -> None:
    server = api_servers()
    rest = server.rest()
    rest("POST", CONFIG_MAPS.format("default"), {"metadata": {"name": "kept"}})
    server.kill()
    with pytest.raises(ApiError) as refused:
        rest("GET", CONFIG_MAPS.format("default"))
    assert refused.value.status == 0
    server.restart()
    assert rest("GET", CONFIG_MAPS.format("default") + "/kept")["metadata"]["name"] == "kept"


def test_a_compacted_continue_token_is_gone(api_servers: ApiServerFactory) -> None:
    server = api_servers()
    rest = server.rest()
    path = CONFIG_MAPS.format("default")
    for number in range(3):
        rest("POST", path, {"metadata": {"name": f"page-{number}"}})
    token = rest("GET", f"{path}?limit=1")["metadata"]["continue"]
    rest("POST", path, {"metadata": {"name": "later"}})
    server.compact()
    with pytest.raises(ApiError) as gone:
        rest("GET", f"{path}?limit=1&continue={token}")
    assert gone.value.status == 410


def test_a_watch_from_compacted_history_gets_a_410(api_servers: ApiServerFactory) -> None:
    server = api_servers("--watch-cache=false")
    rest = server.rest()
    path = CONFIG_MAPS.format("default")
    old = rest("GET", path)["metadata"]["resourceVersion"]
    for number in range(2):
        rest("POST", path, {"metadata": {"name": f"later-{number}"}})
    server.compact()
    event = rest("GET", f"{path}?watch=1&resourceVersion={old}&timeoutSeconds=5")
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


def test_two_servers_at_once_know_nothing_of_one_another(api_server: ApiServer, api_servers: ApiServerFactory) -> None:
    other = api_servers()
    api_server.rest()("POST", CONFIG_MAPS.format("default"), {"metadata": {"name": "mine"}})
    assert not other.rest().ready(CONFIG_MAPS.format("default") + "/mine")
    api_server.rest()("DELETE", CONFIG_MAPS.format("default") + "/mine")
