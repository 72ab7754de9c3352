"""The version in the text of a dynamic configuration. Pure."""

import re


def config_version(text: str) -> int | None:
    """Return the version that the text states (written in hexadecimal), None when it has none."""
    found = re.search(r"^\s*version\s*=\s*([0-9a-fA-F]{1,16})\s*$", text, re.MULTILINE)
    return int(found[1], 16) if found is not None else None
