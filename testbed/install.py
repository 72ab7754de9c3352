"""The operator on a cluster of the testbed: the shipped manifests with the image of this checkout."""

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from testbed.errors import TestbedError
from testbed.images import OperatorImage
from testbed.providers import Provider

IMAGE_ANNOTATION = "testbed.zkoperator.dev/image"
"""On the pods: which build of the image they run. The name stays the same, and a new build must restart them."""

_CHECKOUT = Path(__file__).parent.parent
_OVERLAY = "testbed/overlay"


def definitions(provider: Provider) -> None:
    """Apply both kinds."""
    kubectl(provider, "apply", "--server-side", "-f", "crds/")


def operator(provider: Provider) -> None:
    """Apply the manifests; pods of another build are replaced."""
    rendered = yaml.safe_load_all(kubectl(provider, "kustomize", _OVERLAY))
    items = [with_image(document, provider.operator_image()) for document in rendered]
    kubectl(provider, "apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def wait(provider: Provider) -> None:
    """Wait until both replicas run what was applied."""
    kubectl(provider, "-n", "zkoperator-system", "rollout", "status", "deployment/zkoperator", "--timeout=180s")


def with_image(document: dict[str, Any], image: OperatorImage) -> dict[str, Any]:
    """Return a manifest, the Deployment with the image."""
    if document["kind"] != "Deployment":
        return document
    template = document["spec"]["template"]
    for container in template["spec"]["containers"]:
        container["image"] = image.reference
    template["metadata"].setdefault("annotations", {})[IMAGE_ANNOTATION] = image.identity
    return document


def kubectl(provider: Provider, *arguments: str, text: str | None = None) -> str:
    """Run kubectl inside and return what it printed."""
    done = subprocess.run(
        provider.inside(["kubectl", *arguments]),
        env=provider.environment(),
        cwd=_CHECKOUT,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise TestbedError(f"kubectl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
