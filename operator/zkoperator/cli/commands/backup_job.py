"""`backup-job`: what runs in the container of a backup Job."""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
from pathlib import Path
from typing import Final

from zkoperator.backup.order import (
    RESULT_FILE,
    VARIABLE,
    Failed,
    Order,
    Reason,
    Result,
    order_from_json,
    result_to_json,
)
from zkoperator.cli.view.usage import FINDINGS
from zkoperator.errors import InvalidError
from zkoperator.logs import configure_logs

NAME = "backup-job"
HELP = f"carry out the order in the variable {VARIABLE}; the operator's backup Jobs run it"

_ENDED: Final = 128 + signal.SIGTERM

logger = logging.getLogger(__name__)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--result", metavar="FILE", type=Path, default=Path(RESULT_FILE), help=f"where the result goes ({RESULT_FILE})"
    )


def run(arguments: argparse.Namespace) -> int:
    """Carry out the order. Exit with 0 when it was done, with 1 and a reason in the result when it was not."""
    configure_logs(log_format="text", level="info")
    try:
        order = order_from_json(os.environ.get(VARIABLE, ""))
    except InvalidError as error:
        return _end(Failed(Reason.INVALID, f"{VARIABLE}: {error}"), arguments.result)
    try:
        result = asyncio.run(_run(order))
    except asyncio.CancelledError:
        # The Job is being ended, and whoever ends it knows why.
        return _ENDED
    return _end(result, arguments.result)


async def _run(order: Order) -> Result:
    # Imported here so that every other command starts without what only a Job needs.
    from zkoperator.backup.job import carry_out

    work = asyncio.current_task()
    if work is not None:
        # Process 1 of a container would ignore the signal.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    return await carry_out(order)


def _end(result: Result, file: Path) -> int:
    text = result_to_json(result)
    with contextlib.suppress(FileNotFoundError, PermissionError):
        file.write_text(text)
    if isinstance(result, Failed):
        logger.error("%s: %s", result.reason, result.message)
        return FINDINGS
    logger.info("%s", text)
    return 0
