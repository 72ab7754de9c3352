"""Where the API server is and who we are there, read with the `kubernetes` package's own loaders.

Everything here may block (files, exec plugins) and is called in a thread. Credentials are never printed: the fields
that hold them are left out of every repr.
"""

import os
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path

from kubernetes.client import Configuration
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config
from kubernetes.config.incluster_config import SERVICE_HOST_ENV_NAME

from zkoperator.errors import FieldError, InvalidError, TransientError


@dataclass(frozen=True, slots=True)
class Credentials:
    """One usable set. `authorization` is the whole header (`Bearer ...`), None where a client certificate speaks."""

    server: str
    authorization: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = field(default=None, repr=False)
    verify: bool = True
    tls_server_name: str | None = None
    proxy: str | None = None

    def ssl_context(self) -> ssl.SSLContext | None:
        """Build the TLS context from the files as they are now; None for plain http."""
        if not self.server.startswith("https"):
            return None
        context = ssl.create_default_context(cafile=self.ca_file)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


class CredentialSource:
    """Loads credentials in the order that every tool keeps.

    A given file; `KUBECONFIG`; the service account of the pod that we run in; `~/.kube/config`. Safe to call from
    several threads.
    """

    def __init__(self, kubeconfig: str | None = None, *, context: str | None = None) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._lock = threading.Lock()
        self._configuration: Configuration | None = None

    def current(self) -> Credentials:
        """Return the credentials, renewed where their own expiry says so (service account tokens, exec plugins).

        Raises `InvalidError` when there is no configuration to be found, `TransientError` when reading it failed.
        """
        with self._lock:
            return self._read(self._configuration or self._load())

    def renew(self) -> Credentials:
        """Load everything again from the files and plugins: after a 401 or a failed TLS handshake."""
        with self._lock:
            return self._read(self._load())

    def _load(self) -> Configuration:
        configuration = Configuration()
        try:
            self._fill(configuration)
        except ConfigException as error:
            raise InvalidError((FieldError("kubeconfig", _advice(str(error))),)) from error
        except OSError as error:
            raise TransientError(f"cannot read Kubernetes credentials: {error}") from error
        self._configuration = configuration
        return configuration

    def _fill(self, configuration: Configuration) -> None:
        path = self._kubeconfig or os.environ.get("KUBECONFIG")
        if path is None and SERVICE_HOST_ENV_NAME in os.environ:
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            return
        load_kube_config(  # type: ignore[no-untyped-call]
            config_file=path or str(Path("~/.kube/config").expanduser()),
            context=self._context,
            client_configuration=configuration,
            persist_config=False,
        )

    @staticmethod
    def _read(configuration: Configuration) -> Credentials:
        try:
            authorization = configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        except (OSError, ConfigException) as error:
            raise TransientError(f"cannot renew Kubernetes credentials: {error}") from error
        return Credentials(
            server=configuration.host.rstrip("/"),
            authorization=_header(authorization),
            ca_file=configuration.ssl_ca_cert,
            cert_file=configuration.cert_file,
            key_file=configuration.key_file,
            verify=configuration.verify_ssl,
            tls_server_name=configuration.tls_server_name,
            proxy=configuration.proxy,
        )


def _header(authorization: str | None) -> str | None:
    """Spell the scheme as RFC 6750 does; the in-cluster loader writes it in lower case and keeps a final newline."""
    if not authorization:
        return None
    scheme, _, token = authorization.strip().partition(" ")
    return f"{scheme.capitalize()} {token}"


def _advice(reason: str) -> str:
    return f"{reason} Set KUBECONFIG to a readable file, or run in a pod with a service account."
