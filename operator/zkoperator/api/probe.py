"""Probes of further containers, as in Kubernetes."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from zkoperator.api.meta import Model
from zkoperator.api.reserved import one_of
from zkoperator.api.types import Command

_Port = Annotated[int, Field(ge=1, le=65535)]
_Seconds = Annotated[int, Field(ge=1, le=86400)]
_Times = Annotated[int, Field(ge=1, le=10000)]


class Scheme(StrEnum):
    """How the kubelet asks."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"


class ExecAction(Model):
    """A command in the container, which succeeds with exit code 0."""

    command: Annotated[Command, Field(min_length=1)]
    """The program and its arguments. No shell is involved."""


class HttpAction(Model):
    """An HTTP request, which succeeds with a status from 200 to 399."""

    path: Annotated[str, Field(min_length=1, max_length=1024)] = "/"
    """Path of the request."""
    port: _Port
    """Port at the pod's address."""
    scheme: Scheme = Scheme.HTTP
    """`HTTPS` without verification of the certificate, or `HTTP`."""


class TcpAction(Model):
    """A connection, which succeeds when the port is open."""

    port: _Port
    """Port at the pod's address."""


class GrpcAction(Model):
    """The health service of gRPC."""

    port: _Port
    """Port at the pod's address."""
    service: Annotated[str, Field(max_length=253)] = ""
    """Name of the service that is asked for."""


class Probe(Model):
    """How the kubelet learns the state of the container. Absent numbers have the defaults of Kubernetes."""

    rules: ClassVar = (one_of("exec", "httpGet", "tcpSocket", "grpc", advice=": it is what the kubelet does"),)

    exec: ExecAction | None = None
    """A command in the container."""
    http_get: HttpAction | None = None
    """An HTTP request."""
    tcp_socket: TcpAction | None = None
    """A connection."""
    grpc: GrpcAction | None = None
    """The health service of gRPC."""
    initial_delay_seconds: Annotated[int, Field(ge=0, le=86400)] | None = None
    """Seconds after the start of the container before the first probe."""
    period_seconds: _Seconds | None = None
    """Seconds between two probes."""
    timeout_seconds: _Seconds | None = None
    """Seconds after which a probe has failed."""
    success_threshold: _Times | None = None
    """Successes in a row after a failure that count; 1 for liveness and startup."""
    failure_threshold: _Times | None = None
    """Failures in a row that count."""
