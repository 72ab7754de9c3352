"""What commands that use a cluster have in common: flags, client and namespace."""

import argparse
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from kubernetes.config import list_kube_config_contexts

from zkoperator.cli.view.usage import UsageError
from zkoperator.errors import InvalidError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.credentials import MALFORMED, CredentialSource
from zkoperator.kube.transport import Transport
from zkoperator.settings import Settings, read_settings, variable_of

_NO_VARIABLES: Final[Mapping[str, str]] = {}
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_DEADLINE_S = 15.0
_FIELD_MANAGER = "kubectl-zk"
"""Distinguishes the writes of people who use this command from those of the operator."""


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Add the flags of kubectl for namespace, kubeconfig and context."""
    parser.add_argument("-n", "--namespace", metavar="NAME", help="namespace; default: that of the current context")
    parser.add_argument(
        "--kubeconfig", metavar="FILE", help="kubeconfig; default: $KUBECONFIG, the pod's, ~/.kube/config"
    )
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig; default: the current one")


def assumed_settings(default_image: str | None = None) -> Settings:
    """Return the operator's settings: the real ones in its pod, the defaults elsewhere."""
    known = [variable_of("default_image"), variable_of("cluster_domain")]
    environ = {name: os.environ[name] for name in known if name in os.environ}
    return given_settings(environ, default_image=default_image)


def given_settings(environ: Mapping[str, str] = _NO_VARIABLES, **flags: str | None) -> Settings:
    """Return the settings with these flags and variables; `UsageError` for those that cannot be read."""
    try:
        return read_settings(flags, environ)
    except InvalidError as error:
        raise UsageError(error.errors) from error


@asynccontextmanager
async def connect(arguments: argparse.Namespace) -> AsyncIterator[KubeClient]:
    """Open a client for the cluster that the flags name."""
    transport = Transport(CredentialSource(arguments.kubeconfig, context=arguments.context))
    try:
        yield KubeClient(transport, deadline_s=_DEADLINE_S, field_manager=_FIELD_MANAGER)
    finally:
        await transport.close()


def namespace_of(arguments: argparse.Namespace) -> str:
    """Return the namespace from the flag, else the context, else the pod, else `default`."""
    if arguments.namespace:
        return str(arguments.namespace)
    return _of_context(arguments.kubeconfig, arguments.context) or _of_pod() or "default"


def _of_context(kubeconfig: str | None, name: str | None) -> str:
    try:
        contexts, current = list_kube_config_contexts(  # type: ignore[no-untyped-call]
            kubeconfig or os.environ.get("KUBECONFIG")
        )
    except (OSError, *MALFORMED):
        # Opening the client reports it, with the name of the file.
        return ""
    chosen = next((context for context in contexts if context["name"] == name), current)
    return str((chosen or {}).get("context", {}).get("namespace") or "")


def _of_pod() -> str:
    return _POD_NAMESPACE.read_text(encoding="utf-8").strip() if _POD_NAMESPACE.exists() else ""
