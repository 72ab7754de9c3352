"""Commands as a person in this directory would type them, for messages."""

import os
import sys
from pathlib import Path

DEFAULT_NAME = "zkop"
"""The cluster that is meant when no name is given."""


def python() -> str:
    """Return the interpreter that runs, relative where it is below the current directory: the virtual environment's."""
    program = Path(sys.executable)
    return os.path.relpath(program) if program.is_relative_to(Path.cwd()) else str(program)


def testbed(name: str) -> str:
    """Return the beginning of a testbed command about a cluster."""
    return f"{python()} -m testbed" + ("" if name == DEFAULT_NAME else f" --name {name}")
