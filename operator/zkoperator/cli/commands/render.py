"""`render`: the objects that the operator would make for a ZooKeeperCluster, without any cluster."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from zkoperator.api.cluster import ZooKeeperCluster
from zkoperator.api.meta import API_VERSION
from zkoperator.api.parse import parse_strict
from zkoperator.cli.view.connection import given_settings
from zkoperator.cli.view.generated_files import to_yaml
from zkoperator.cli.view.output import add_output, kubernetes_list, print_json, wants_json
from zkoperator.ensemble.build.render import render
from zkoperator.ensemble.validate import Defaults, ValidatedCluster, validate
from zkoperator.errors import FieldError, InvalidError
from zkoperator.settings import DEFAULT_IMAGE

NAME = "render"
HELP = "print the objects, without the Secret, that the operator would make for a ZooKeeperCluster in a file"

_KIND = "ZooKeeperCluster"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("file", help="manifest with ZooKeeperClusters, YAML or JSON; - for the standard input")
    parser.add_argument("-n", "--namespace", default="default", help="namespace of clusters that name none")
    parser.add_argument("--default-image", default=DEFAULT_IMAGE, help="image of clusters that name none")
    parser.add_argument("--cluster-domain", default="cluster.local", help="DNS domain of the Kubernetes cluster")
    add_output(parser, "yaml")


def run(arguments: argparse.Namespace) -> int:
    """Print the children of every cluster in the file."""
    settings = given_settings(
        namespace=arguments.namespace,
        default_image=arguments.default_image,
        cluster_domain=arguments.cluster_domain,
    )
    defaults = Defaults(settings.default_image, settings.cluster_domain)
    text, name = _input(arguments.file)
    clusters = [parse_cluster(raw, settings.namespace, defaults) for raw in clusters_in(text, name)]
    for cluster in clusters:
        for warning in cluster.warnings:
            print(f"warning: {cluster.meta.namespace}/{cluster.meta.name}: {warning}", file=sys.stderr)
    children = [_unowned(child) for cluster in clusters for child in render(cluster)]
    if wants_json(arguments):
        print_json(kubernetes_list(children))
    else:
        print(to_yaml(children), end="")
    return 0


def read(path: Path) -> str:
    """Return the text of the file.

    Raises:
        InvalidError: when it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidError((FieldError(str(path), f"cannot be read: {error}"),)) from error


def _input(file: str) -> tuple[str, str]:
    """Return the text and its name for messages."""
    return (sys.stdin.read(), "standard input") if file == "-" else (read(Path(file)), file)


def clusters_in(text: str, name: str) -> list[dict[str, Any]]:
    """Return the ZooKeeperClusters of a manifest, those in Lists included; `name` is where the text comes from.

    Raises:
        InvalidError: the text is not YAML, or has no ZooKeeperCluster.
    """
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise InvalidError((FieldError(name, f"is not YAML: {error}"),)) from error
    except RecursionError as error:
        raise InvalidError((FieldError(name, "is nested too deeply"),)) from error
    found = [item for document in documents for item in _objects(document, name) if item.get("kind") == _KIND]
    if not found:
        raise InvalidError((FieldError(name, f"has no object of kind {_KIND}"),))
    return found


def _objects(document: Any, name: str) -> Iterator[dict[str, Any]]:
    if not isinstance(document, dict):
        return
    if document.get("kind") == "List":
        items = document.get("items") or []
        if not isinstance(items, list):
            raise InvalidError((FieldError(name, "items of a List: write a list of objects"),))
        for item in items:
            yield from _objects(item, name)
    else:
        yield document


def parse_cluster(raw: dict[str, Any], namespace: str, defaults: Defaults) -> ValidatedCluster:
    """Return one cluster, in this namespace unless it names another one.

    Raises:
        InvalidError: with all errors of the object, typos included.
    """
    if raw.get("apiVersion") != API_VERSION:
        raise InvalidError((FieldError("apiVersion", f"write {API_VERSION}, not {raw.get('apiVersion')}"),))
    meta = raw.get("metadata") or {}
    if not isinstance(meta, dict):
        raise InvalidError((FieldError("metadata", "write an object with a name"),))
    placed = {**raw, "metadata": {"namespace": namespace, **meta}}
    parsed = parse_strict(ZooKeeperCluster, placed)
    if isinstance(parsed, tuple):
        raise InvalidError(parsed)
    return validate(placed, defaults)


def _unowned(child: dict[str, Any]) -> dict[str, Any]:
    """Return the child without the reference to an owner that, offline, has no uid."""
    return {**child, "metadata": {key: value for key, value in child["metadata"].items() if key != "ownerReferences"}}
