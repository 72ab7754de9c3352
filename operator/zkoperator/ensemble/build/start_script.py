"""The start procedure of a member, as a POSIX shell script for the unmodified official image."""

from functools import cache
from importlib.resources import files


@cache
def start_script() -> str:
    """Return `start.sh`; it takes everything from its environment and from the mounted ConfigMap."""
    return files(__package__).joinpath("start.sh").read_text(encoding="utf-8")
