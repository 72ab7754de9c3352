"""The texts in a Secret. Pure."""

import base64
import binascii

from zkoperator.kube.port import Manifest


def text_in(secret: Manifest | None, key: str) -> str:
    """Return the text of a key, "" where there is none or what is there is no text."""
    encoded = ((secret or {}).get("data") or {}).get(key) or ""
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
