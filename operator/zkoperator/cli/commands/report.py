"""`report`: one archive with what somebody needs who helps from far away, without values and credentials."""

import argparse
import asyncio
import io
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from zkoperator import __version__
from zkoperator.cli.view.connection import add_connection, connect, namespace_of
from zkoperator.cli.view.evidence import Collector, Evidence
from zkoperator.cli.view.output import add_output, json_text, print_json, wants_json
from zkoperator.cli.view.redaction import scrubbed
from zkoperator.cli.view.summary import cluster_summary, sync_summary
from zkoperator.cli.view.tables import cluster_detail, sync_detail
from zkoperator.cli.view.terminal import Style
from zkoperator.errors import FieldError, InvalidError

NAME = "report"
HELP = "write an archive for support: objects, Events, logs and metrics, without values and credentials"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("name", nargs="?", default="", help="only of the cluster or ConfigSync of this name")
    parser.add_argument("--file", metavar="FILE", type=Path, help="default: zk-report-NAMESPACE-TIME.tar.gz")
    add_connection(parser)
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read everything that may be read, and write the archive."""
    return asyncio.run(_run(arguments, datetime.now(UTC)))


async def _run(arguments: argparse.Namespace, now: datetime) -> int:
    namespace = namespace_of(arguments)
    async with connect(arguments) as api:
        found = await Collector(api, namespace, arguments.name).collect()
    if not (found.clusters or found.syncs):
        message = f"there is no ZooKeeperCluster and no ConfigSync{' of this name' if arguments.name else ''} in it"
        raise InvalidError((FieldError(f"namespace {namespace}", message),))
    files = contents(found, namespace, now)
    file = arguments.file or Path(f"zk-report-{namespace}-{now:%Y%m%dT%H%M%SZ}.tar.gz")
    write(file, files, now)
    if wants_json(arguments):
        print_json({"file": str(file), "files": sorted(files), "missing": found.missing})
    else:
        left_out = f"; {len(found.missing)} parts could not be read, see about.json in it" if found.missing else ""
        print(f"{file}: {len(files)} files, without values and credentials{left_out}")
        print("It has names of objects, keys, znodes and hosts. Look at it before you send it.")
    return 0


def contents(found: Evidence, namespace: str, now: datetime) -> dict[str, str]:
    """Return the text of each file of the archive by its name."""
    about = {
        "version": __version__,
        "time": now.isoformat(timespec="seconds"),
        "namespace": namespace,
        "missing": [scrubbed(text) for text in found.missing],
    }
    plain = Style(colours=False)
    details = [cluster_detail(cluster_summary(raw), plain, now) for raw in found.clusters]
    details += [sync_detail(sync_summary(raw), plain, now) for raw in found.syncs]
    return {"about.json": json_text(about), "status.txt": scrubbed("\n\n".join(details)), **found.files}


def write(file: Path, files: Mapping[str, str], now: datetime) -> None:
    """Write the archive; every name in it begins with that of the archive.

    Raises:
        InvalidError: the file cannot be written.
    """
    folder = file.name.removesuffix(".tar.gz")
    try:
        with tarfile.open(file, "w:gz") as archive:
            for name, text in files.items():
                entry = tarfile.TarInfo(f"{folder}/{name}")
                data = text.encode()
                entry.size, entry.mtime, entry.mode = len(data), int(now.timestamp()), 0o600
                archive.addfile(entry, io.BytesIO(data))
        file.chmod(0o600)
    except OSError as error:
        raise InvalidError((FieldError(str(file), f"cannot be written: {error.strerror or error}"),)) from error
