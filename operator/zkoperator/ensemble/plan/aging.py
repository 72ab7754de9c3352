"""Restarts members that may still have an old certificate: the safety net below the renewal without restarts. Pure.

A member takes a renewed certificate up while it runs, and nobody outside can see whether it has done so at the ports
between members. A member that starts reads the newest files for certain.
"""

from datetime import datetime

from zkoperator.ensemble.model.tls import Certificates
from zkoperator.ensemble.observe.pod_view import PodView
from zkoperator.ensemble.validate import ValidatedCluster

_LAST_PARTS = 5
"""A member is restarted in the last fifth of the life of the certificate that it started with; renewal is earlier."""


def aging(cluster: ValidatedCluster, certificates: Certificates, pod: PodView) -> str:
    """Return why the pod must be replaced, empty when its first certificate is young, or there is no better one."""
    begin, _, end = pod.certificates.partition("/")
    newest = certificates.life(cluster.tls).partition("/")[2]
    if certificates.now is None or not end or not newest:
        return ""
    ends = datetime.fromisoformat(end)
    left = ends - certificates.now
    if datetime.fromisoformat(newest) <= ends or left * _LAST_PARTS > ends - datetime.fromisoformat(begin):
        return ""
    return f"the certificate that it started with ends at {end}"
