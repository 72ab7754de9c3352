"""What a client of a ZooKeeperCluster reads of the object agrees with what the ensemble is built with."""

import pytest

from zkoperator.controller.cluster_access import shell_port
from zkoperator.ensemble.model.names import CLIENT_PORT, LOOPBACK_PORT, TLS_PORT


@pytest.mark.parametrize(
    ("cluster", "port"),
    [
        ({"status": {"endpoint": f"main-zk.demo.svc.cluster.local:{CLIENT_PORT}"}}, CLIENT_PORT),
        ({"status": {"endpoint": f"main-zk.demo.svc.cluster.local:{TLS_PORT}"}}, LOOPBACK_PORT),
        ({}, CLIENT_PORT),
        (None, CLIENT_PORT),
    ],
)
def test_the_shell_connects_to_the_port_that_takes_plaintext_inside_the_pod(
    cluster: dict[str, dict[str, str]] | None, port: int
) -> None:
    assert shell_port(cluster) == port
