"""A ConfigSync through TLS against one in plaintext, of one operator on the same server: `python -m bench mirror_tls`.

Both connections end in the same server (by Netty, as everywhere with TLS), and samples of both alternate.
"""

import base64
import tempfile
from pathlib import Path

from bench.figures import Figure, percentile
from bench.mirror import NAMESPACE, add_sync, pull_latency, push_latency, world
from testbed.processes import free_ports
from tests.support.models.foreign_pki import Signed, authority, pem, pkcs8
from tests.support.worlds.mirror_servers import RealOperator

GOAL = 1.1
HOST = "localhost"
PULL = "ZooKeeperToConfigMap"


async def run() -> list[Figure]:
    """Measure pulls and pushes."""
    with tempfile.TemporaryDirectory() as directory:
        ca, port = authority("bench"), free_ports("127.0.0.1", 1)[0]
        async with world(secured(Path(directory), ca, port)) as on:
            secret = {"metadata": {"name": "ca"}, "data": {"ca.crt": base64.b64encode(pem(ca.certificate)).decode()}}
            await on.http.create(f"/api/v1/namespaces/{NAMESPACE}/secrets", secret)
            operator = await RealOperator(on.api_server.kubeconfig, NAMESPACE, f"{on.hosts},{HOST}:{port}").start()
            try:
                secure = {"hosts": f"{HOST}:{port}", "tls": {"caSecretName": "ca"}}
                await add_sync(on, "pull", direction=PULL, zookeeper={**secure, "path": "/pull"})
                await add_sync(on, "push", zookeeper={**secure, "path": "/push"})
                await add_sync(on, "plain-pull", direction=PULL)
                await add_sync(on, "plain-push")
                pull = await pull_latency(on, beside="plain-pull")
                push = await push_latency(on, beside="plain-push")
            finally:
                await operator.stop()
    return [*_figures("znode set to ConfigMap seen", *pull), *_figures("ConfigMap edit to znode seen", *push)]


def secured(directory: Path, ca: Signed, port: int) -> dict[str, str]:
    """Keys of zoo.cfg for a port with TLS beside the one without."""
    leaf = ca.signs((HOST,))
    (directory / "client.pem").write_bytes(pkcs8(leaf.key) + pem(leaf.certificate))
    return {
        "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
        "secureClientPort": str(port),
        "ssl.keyStore.location": str(directory / "client.pem"),
        "ssl.clientAuth": "none",
        "ssl.enabledProtocols": "TLSv1.3,TLSv1.2",
    }


def _figures(what: str, secure: list[float], plain: list[float]) -> list[Figure]:
    return [
        Figure(
            f"{what} through TLS, p{share * 100:.0f}",
            percentile(secure, share),
            "ms",
            floor=percentile(plain, share),
            floor_name="in plaintext",
            goal=GOAL if share == 0.5 else None,
        )
        for share in (0.5, 0.99)
    ]
