"""Configuration files of a node, and of the control plane beside it: containerd, CNI, kubelet, kube-proxy, CoreDNS."""

import json
from pathlib import Path
from typing import Any

from testbed.control_plane import ControlPlane
from testbed.layout import Layout, Node
from testbed.pki import Authority, write_kubeconfig

PAUSE_IMAGE = "docker.io/zkoperator/pause:1"

_CONTAINERD = """version = 2
root = "{root}"
state = "{state}"
{plugins}
[grpc]
  address = "{socket}"
"""
_CRI = """[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  disable_hugetlb_controller = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
      Root = "{runc}"
"""
_STORE_ONLY = 'disabled_plugins = ["io.containerd.grpc.v1.cri"]'


def write_node(cluster: Layout, plane: ControlPlane, authority: Authority, node: Node) -> None:
    """Write everything that the processes of a node read."""
    for directory in (node.state / "cni", node.state / "volumes", node.run):
        directory.mkdir(parents=True)
    credential = authority.issue(f"system:node:{node.name}", "system:nodes", names=(node.name, node.address))
    authority.write(node.name, credential)
    write_kubeconfig(kubelet_kubeconfig(node), server=plane.url, authority=authority.certificate, user=credential)
    cri = _CRI.format(pause=PAUSE_IMAGE, cni=node.state / "cni", runc=node.run / "runc")
    containerd_file(node).write_text(
        containerd_config(node.state / "containerd", node.run / "containerd", node.socket, cri)
    )
    _write(node.state / "cni" / "10-bridge.conflist", _cni(node))
    _write(node.state / "kubelet.json", _kubelet(cluster, plane, node))
    _write(node.state / "kube-proxy.json", _kube_proxy(cluster, plane, node.name))


def write_control_plane(cluster: Layout, plane: ControlPlane) -> None:
    """Write what kube-proxy and CoreDNS of the control plane read, and an empty resolv.conf for the nodes."""
    (cluster.state / "resolv.conf").write_text("")
    cluster.inside_resolv_conf.write_text(f"nameserver {cluster.address}\noptions ndots:1 timeout:1\n")
    # A node's name, because kube-proxy wants to be one; it makes Services work for webhooks and for tests.
    _write(cluster.state / "kube-proxy.json", _kube_proxy(cluster, plane, cluster.nodes[0].name))
    (cluster.state / "Corefile").write_text(
        f".:53 {{\n  bind {cluster.address}\n  errors\n  ready 127.0.0.1:8181\n"
        "  kubernetes cluster.local in-addr.arpa {\n"
        f"    kubeconfig {plane.kubeconfig('admin')} testbed\n    ttl 1\n  }}\n}}\n"
    )


def store_config(root: Path, run: Path) -> str:
    """Return the configuration of a containerd that only keeps images."""
    return containerd_config(root, run / "state", run / "containerd.sock", _STORE_ONLY)


def containerd_config(root: Path, state: Path, socket: Path, plugins: str) -> str:
    """Return a configuration file of containerd 1.6."""
    return _CONTAINERD.format(root=root, state=state, socket=socket, plugins=plugins)


def containerd_file(node: Node) -> Path:
    """The configuration of a node's containerd."""
    return node.state / "containerd.toml"


def kubelet_kubeconfig(node: Node) -> Path:
    """The kubeconfig of a node's kubelet."""
    return node.state / "kubelet.kubeconfig"


def _kubelet(cluster: Layout, plane: ControlPlane, node: Node) -> dict[str, Any]:
    return {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "containerRuntimeEndpoint": f"unix://{node.socket}",
        "address": node.address,
        "healthzBindAddress": "127.0.0.1",
        "readOnlyPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{plane.pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{plane.pki}/{node.name}.crt",
        "tlsPrivateKeyFile": f"{plane.pki}/{node.name}.key",
        "clusterDNS": [cluster.dns],
        "clusterDomain": "cluster.local",
        "resolvConf": str(cluster.state / "resolv.conf"),
        "podLogsDir": str(node.state / "pod-logs"),
        "volumePluginDir": str(node.state / "volume-plugins"),
        "nodeLeaseDurationSeconds": 20,
        "syncFrequency": "10s",
        "fileCheckFrequency": "0s",
        # Mounted ConfigMaps change in a second instead of a minute.
        "configMapAndSecretChangeDetectionStrategy": "Watch",
        "serializeImagePulls": False,
        "maxPods": 110,
        "maxOpenFiles": 20000,
        **_shared_machine(cluster, node),
    }


def _shared_machine(cluster: Layout, node: Node) -> dict[str, Any]:
    """What lets several kubelets live on one machine, of any cgroup version, whose disk may be nearly full."""
    return {
        "cgroupDriver": "cgroupfs",
        # Two kubelets with the same root remove each other's pods.
        "cgroupRoot": f"/{cluster.name}/{node.name}",
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "evictionHard": {
            "memory.available": "0%",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        # Kernel settings that a container may not change are left alone.
        "featureGates": {"KubeletInUserNamespace": True},
    }


def _kube_proxy(cluster: Layout, plane: ControlPlane, host: str) -> dict[str, Any]:
    return {
        "kind": "KubeProxyConfiguration",
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "mode": "iptables",
        "hostnameOverride": host,
        "clusterCIDR": cluster.ranges.pods,
        "clientConnection": {"kubeconfig": str(plane.kubeconfig("proxy"))},
        "nodePortAddresses": ["primary"],
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "iptables": {"minSyncPeriod": "0s"},
        # Zero leaves the machine's connection tracking settings alone.
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def _cni(node: Node) -> dict[str, Any]:
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "hairpinMode": True,
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "dataDir": str(node.run / "ipam"),
            "ranges": [[{"subnet": node.pods}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": node.netns, "plugins": [bridge, ports]}


def _write(file: Path, document: object) -> None:
    file.write_text(json.dumps(document, indent=1))
