"""`render`: the objects that a ZooKeeperCluster would have, offline: nothing is asked of any cluster."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from zkoperator.api.cluster import ZooKeeperCluster
from zkoperator.api.parse import parse_strict
from zkoperator.cli.view.generated_files import to_yaml
from zkoperator.cli.view.output import add_output, kubernetes_list, print_json, wants_json
from zkoperator.ensemble.build.render import render
from zkoperator.ensemble.validate import Defaults, validate
from zkoperator.errors import FieldError, InvalidError
from zkoperator.settings import DEFAULT_IMAGE

NAME = "render"
HELP = "print the objects that the operator would make for a ZooKeeperCluster in a file"

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
    text = sys.stdin.read() if arguments.file == "-" else read(Path(arguments.file))
    defaults = Defaults(arguments.default_image, arguments.cluster_domain)
    children = [child for raw in clusters_in(text) for child in children_of(raw, arguments.namespace, defaults)]
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


def clusters_in(text: str) -> list[dict[str, Any]]:
    """Return the ZooKeeperClusters of a manifest, those in Lists included.

    Raises:
        InvalidError: when it is no YAML or has none.
    """
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise InvalidError((FieldError("file", f"is not YAML: {error}"),)) from error
    found = [item for document in documents for item in _objects(document) if item.get("kind") == _KIND]
    if not found:
        raise InvalidError((FieldError("file", f"has no object of kind {_KIND}"),))
    return found


def _objects(document: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(document, dict):
        return
    if document.get("kind") == "List":
        for item in document.get("items") or []:
            yield from _objects(item)
    else:
        yield document


def children_of(raw: dict[str, Any], namespace: str, defaults: Defaults) -> list[dict[str, Any]]:
    """Return the objects of one cluster.

    Raises:
        InvalidError: with all errors of the object, typos included.
    """
    meta = {"namespace": namespace, **(raw.get("metadata") or {})}
    placed = {**raw, "metadata": meta}
    parsed = parse_strict(ZooKeeperCluster, placed)
    if isinstance(parsed, tuple):
        raise InvalidError(parsed)
    return [_unowned(child) for child in render(validate(placed, defaults))]


def _unowned(child: dict[str, Any]) -> dict[str, Any]:
    """Return the child without the reference to an owner that, offline, has no uid."""
    return {**child, "metadata": {key: value for key, value in child["metadata"].items() if key != "ownerReferences"}}
