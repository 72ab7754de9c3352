"""What `spec.pod` adds to the pods: containers, volumes, environment, rights. Nothing where it asks for nothing. Pure.

Values that the API server would fill in are written out: it keeps those that it filled in itself when their neighbours
are taken away, and refuses the volume or variable that then has two sources.
"""

from collections.abc import Mapping
from typing import Any

from zkoperator.api.container import Container
from zkoperator.api.pod import Pod
from zkoperator.api.security_context import ContainerSecurityContext, PodSecurityContext
from zkoperator.kube.port import Manifest

_USER = 1000
_FILLED_IN: Mapping[str, Mapping[str, Any]] = {
    "fieldRef": {"apiVersion": "v1"},
    "resourceFieldRef": {"divisor": "0"},
}
"""What the API server adds to a part of this name."""


def pod_extras(pod: Pod) -> Manifest:
    """Return the fields of the pod's spec that the spec asks for, beside those that every member has."""
    extras: Manifest = {
        "initContainers": [_container(each) for each in pod.init_containers or ()],
        "serviceAccountName": pod.service_account_name,
        # The old name of the same field. The API server fills it in, and would take the account from it later.
        "serviceAccount": pod.service_account_name,
        "runtimeClassName": pod.runtime_class_name,
        "schedulerName": pod.scheduler_name,
        "hostAliases": [each.manifest() for each in pod.host_aliases or ()],
        "dnsConfig": pod.dns_config.manifest() if pod.dns_config is not None else {},
    }
    return {field: value for field, value in extras.items() if value}


def further_containers(pod: Pod) -> list[Manifest]:
    """Return the containers beside the member."""
    return [_container(each) for each in pod.containers or ()]


def further_volumes(pod: Pod) -> list[Manifest]:
    """Return the volumes beside those of the member."""
    return [_filled_in(each.manifest()) for each in pod.volumes or ()]


def further_mounts(pod: Pod) -> list[Manifest]:
    """Return the mounts of these volumes in the member's own container."""
    return [_mount(each.manifest()) for each in pod.volume_mounts or ()]


def further_environment(pod: Pod) -> list[Manifest]:
    """Return the variables of the member's own container."""
    return [_filled_in(each.manifest()) for each in pod.env or ()]


def further_ports(pod: Pod) -> list[tuple[int, str]]:
    """Return number and protocol of each port of the further containers."""
    ports = (port for each in pod.further_containers for port in each.ports or ())
    return sorted({(port.container_port, port.protocol.value) for port in ports})


def security_context(pod: Pod) -> Manifest:
    """Return user and groups of the pod. No member runs as root, whatever is asked for."""
    asked = pod.security_context
    if asked is None:
        asked = PodSecurityContext(run_as_user=_USER, run_as_group=_USER, fs_group=_USER)
    return {"runAsNonRoot": True, **asked.manifest()}


def asked_extras(pod: Pod) -> Manifest:
    """Return everything that is asked for, without what is empty, for a digest."""
    asked = {
        **pod_extras(pod),
        "containers": further_containers(pod),
        "volumes": further_volumes(pod),
        "volumeMounts": further_mounts(pod),
        "env": further_environment(pod),
        "securityContext": security_context(pod) if pod.security_context is not None else {},
    }
    return {field: value for field, value in asked.items() if value}


def _container(container: Container) -> Manifest:
    made = {field: value for field, value in _filled_in(container.manifest()).items() if value not in ([], {})}
    made["securityContext"] = (container.security_context or ContainerSecurityContext()).manifest()
    if "volumeMounts" in made:
        made["volumeMounts"] = [_mount(mount) for mount in made["volumeMounts"]]
    return made


def _mount(mount: Manifest) -> Manifest:
    """Return the mount without a `readOnly` that is false, which the API server does not keep."""
    return {field: value for field, value in mount.items() if value is not False}


def _filled_in(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {**_FILLED_IN.get(name, {}), **{key: _filled_in(item, key) for key, item in value.items()}}
    return [_filled_in(item) for item in value] if isinstance(value, list) else value
