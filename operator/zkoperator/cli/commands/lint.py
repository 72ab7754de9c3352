"""`lint`: what is wrong with the operator's objects in files, without any cluster."""

import argparse

from zkoperator.cli.view.connection import given_settings
from zkoperator.cli.view.findings import Finding, Severity, count, findings_of, is_ours
from zkoperator.cli.view.manifest_files import Manifests, read_manifests
from zkoperator.cli.view.neighbours import shared_findings
from zkoperator.cli.view.output import add_output, print_json, style, wants_json
from zkoperator.cli.view.usage import FINDINGS, UsageError

NAME = "lint"
HELP = "check the objects of all kinds of the operator in files, without any cluster"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "file", nargs="+", help="manifest, YAML or JSON, or a directory of them; - for the standard input"
    )
    parser.add_argument("-n", "--namespace", metavar="NAME", help="namespace of objects that name none")
    parser.add_argument("--strict", action="store_true", help="warnings are findings too")
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print every finding; end with `FINDINGS` when there is one."""
    if arguments.namespace is not None:
        given_settings(namespace=arguments.namespace)
    read = read_manifests(arguments.file)
    found = sorted_findings(read, arguments.namespace or "")
    objects = sum(map(is_ours, read.documents))
    if wants_json(arguments):
        print_json({"files": read.files, "objects": objects, "findings": [item.to_json() for item in found]})
    else:
        print("\n".join([*(item.text(style()) for item in found), _summary(found, objects, read.files)]))
    if read.problems:
        raise UsageError(read.problems)
    errors = len(found) if arguments.strict else count(found, Severity.ERROR)
    return FINDINGS if errors else 0


def sorted_findings(read: Manifests, namespace: str) -> list[Finding]:
    """Return the findings of all objects, by file in the order given, then by line."""
    ours = [document for document in read.documents if is_ours(document)]
    order = {document.file: number for number, document in reversed(list(enumerate(ours)))}
    found = [item for document in ours for item in findings_of(document)]
    found += shared_findings(ours, namespace)
    return sorted(found, key=lambda item: (order[item.file], item.line, item.severity, item.field))


def _summary(found: list[Finding], objects: int, files: int) -> str:
    errors, warnings = count(found, Severity.ERROR), count(found, Severity.WARNING)
    seen = f"{_plural(objects, 'object')} in {_plural(files, 'file')}"
    return f"{seen}: {_plural(errors, 'error')}, {_plural(warnings, 'warning')}"


def _plural(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
