"""The ConfigMap that every member mounts: start procedure, static configuration, committed members."""

from zkoperator.api.cluster import LogLevel
from zkoperator.ensemble.build.manifest import manifest
from zkoperator.ensemble.build.start_script import start_script
from zkoperator.ensemble.build.zoocfg import zoo_cfg
from zkoperator.ensemble.model.configuration import CLOSED, OPEN, Server
from zkoperator.ensemble.validate import ValidatedCluster, beside_heap_mib
from zkoperator.kube.port import Manifest

_LOGBACK = """\
<configuration>
  <appender name="STDOUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{{ISO8601}} [myid:%X{{myid}}] - %-5p [%t:%C{{1}}@%L] - %m%n</pattern></encoder>
  </appender>
{quiet}  <root level="{level}"><appender-ref ref="STDOUT"/></root>
</configuration>
"""

_QUIET = """\
  <logger name="org.apache.zookeeper.server.NIOServerCnxn" level="WARN"/>
  <logger name="org.apache.zookeeper.server.NettyServerCnxn" level="WARN"/>
  <logger name="org.apache.zookeeper.server.auth.X509AuthenticationProvider" level="WARN"/>
"""
"""At INFO these loggers write a line for each probe or each certificate, several a second."""


def config_map(cluster: ValidatedCluster, servers: tuple[Server, ...], bootstrap: str) -> Manifest:
    """Return the ConfigMap.

    Args:
        cluster: the validated cluster.
        servers: the committed members; before founding, the founders.
        bootstrap: the token that permits an empty member to found the ensemble, or nothing.
    """
    data = {
        "start.sh": start_script(),
        "zoo.cfg": zoo_cfg(cluster),
        "logback.xml": _logback(cluster.spec.log_level),
        "client": OPEN if cluster.plaintext_open else CLOSED,
        "members": "".join(f"{server.line}\n" for server in sorted(servers)),
        "bootstrap": bootstrap,
        "ensemble": cluster.ensemble,
        "take-over": cluster.take_over,
        "heap-percent": str(cluster.spec.jvm.heap_percent),
        "beside-heap": str(beside_heap_mib(cluster.spec)),
    }
    return manifest(cluster, "v1", "ConfigMap", cluster.names.config_map, data=data)


def _logback(level: LogLevel) -> str:
    return _LOGBACK.format(level=level.value, quiet=_QUIET if level is LogLevel.INFO else "")
