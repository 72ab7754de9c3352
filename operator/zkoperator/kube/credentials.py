"""The address and credentials of the API server, read with the loaders of the `kubernetes` package.

Everything here may block (files, exec plugins) and is called in a thread. No repr has a field with a secret.
"""

import os
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from kubernetes.client import Configuration
from kubernetes.client.rest import should_bypass_proxies
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config
from kubernetes.config.incluster_config import SERVICE_HOST_ENV_NAME
from typing_extensions import override

from zkoperator.errors import FieldError, InvalidError, TransientError

MALFORMED = (ConfigException, yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError)
"""What the loaders raise for files that are malformed or half written; they document only the first one."""


_SERVICE_ACCOUNT = "the service account of this pod"


@dataclass(frozen=True, slots=True)
class Credentials:
    """One usable set. `authorization` is the whole header (`Bearer ...`), None with a client certificate alone."""

    server: str
    authorization: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = field(default=None, repr=False)
    verify: bool = True
    tls_server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)

    def ssl_context(self) -> ssl.SSLContext | None:
        """Build the TLS context from the files as they are now; None for plain http.

        Raises `TransientError` when they cannot be read: they may be in the middle of a renewal.
        """
        if not self.server.startswith("https"):
            return None
        context = _Context(ssl.PROTOCOL_TLS_CLIENT)
        context.expected_name = self.tls_server_name
        try:
            self._fill(context)
        except OSError as error:
            files = ", ".join(filter(None, (self.ca_file, self.cert_file)))
            raise TransientError(f"cannot use {files}: {error.strerror or error}") from error
        return context

    def _fill(self, context: ssl.SSLContext) -> None:
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self.ca_file:
            context.load_verify_locations(self.ca_file)
        else:
            context.load_default_certs()
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file)


class _Context(ssl.SSLContext):
    """Verifies the certificate against `expected_name` instead of the host that is connected to, if it is set."""

    expected_name: str | None = None

    @override
    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return super().wrap_bio(incoming, outgoing, server_side, self.expected_name or server_hostname, session)


class CredentialSource:
    """Loads credentials from the first that exists, in the usual order of controllers.

    The given file; `KUBECONFIG`; the service account of this pod; `~/.kube/config`. Thread-safe.
    """

    def __init__(self, kubeconfig: str | None = None, *, context: str | None = None) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._lock = threading.Lock()
        self._configuration: Configuration | None = None

    def current(self) -> Credentials:
        """Return the credentials, renewed if they have expired (service account tokens, exec plugins).

        Raises `InvalidError` when no configuration was ever usable, `TransientError` when reading it failed.
        """
        with self._lock:
            return self._use(self._configuration or self._load())

    def renew(self) -> Credentials:
        """Load everything again from files and plugins, as after a 401 or a failed TLS handshake."""
        with self._lock:
            return self._use(self._load())

    def _load(self) -> Configuration:
        configuration = Configuration()
        try:
            self._fill(configuration)
        except OSError as error:
            raise TransientError(f"cannot read Kubernetes credentials: {error}") from error
        except MALFORMED as error:
            if self._configuration is not None:
                # It was usable before, so somebody is writing it now.
                raise TransientError(f"cannot read Kubernetes credentials: {_reason(error)}") from error
            raise InvalidError((FieldError(self._origin(), _advice(_reason(error))),)) from error
        return configuration

    def _origin(self) -> str:
        """Return the file that is read, or the service account."""
        path = self._kubeconfig or os.environ.get("KUBECONFIG")
        if not path and SERVICE_HOST_ENV_NAME in os.environ:
            return _SERVICE_ACCOUNT
        return path or str(Path("~/.kube/config").expanduser())

    def _fill(self, configuration: Configuration) -> None:
        origin = self._origin()
        if origin is _SERVICE_ACCOUNT:
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            return
        load_kube_config(  # type: ignore[no-untyped-call]
            config_file=origin,
            context=self._context,
            client_configuration=configuration,
            persist_config=False,
        )

    def _use(self, configuration: Configuration) -> Credentials:
        """Return the credentials of a configuration, and keep it if it has any."""
        try:
            authorization = configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        except (OSError, *MALFORMED) as error:
            raise TransientError(f"cannot renew Kubernetes credentials: {_reason(error)}") from error
        if configuration.host.startswith("https") and not authorization and not configuration.cert_file:
            # The package only logs the failure of an exec plugin, and an anonymous user would be refused for ever.
            raise TransientError("neither a token nor a client certificate; does the kubeconfig's exec plugin work?")
        self._configuration = configuration
        return Credentials(
            server=configuration.host.rstrip("/"),
            authorization=_header(authorization),
            ca_file=configuration.ssl_ca_cert,
            cert_file=configuration.cert_file,
            key_file=configuration.key_file,
            verify=configuration.verify_ssl,
            tls_server_name=configuration.tls_server_name,
            proxy=_proxy(configuration),
        )


def _proxy(configuration: Configuration) -> str | None:
    """Return the proxy (as from HTTPS_PROXY), None when NO_PROXY excludes the server."""
    bypassed = should_bypass_proxies(configuration.host, configuration.no_proxy or "")
    proxy: str | None = None if bypassed else configuration.proxy
    return proxy


def _header(authorization: str | None) -> str | None:
    """Return the header with the scheme as in RFC 6750; the in-cluster loader uses lower case and a final newline."""
    if not authorization:
        return None
    scheme, _, token = authorization.strip().partition(" ")
    return f"{scheme.capitalize()} {token}"


def _reason(error: Exception) -> str:
    """Return what is wrong without quoting the file: messages of the package contain whole entries."""
    if isinstance(error, OSError):
        return str(error)
    if isinstance(error, yaml.YAMLError):
        return "it is not YAML"
    return str(error).partition("{")[0].strip(" .") if isinstance(error, ConfigException) else "it is not a kubeconfig"


def _advice(reason: str) -> str:
    return f"{reason}; name a kubeconfig that works, as with KUBECONFIG, or run in a pod with a service account"
