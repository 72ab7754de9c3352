"""Kubernetes quantities as numbers: `500m`, `1Gi`, `2e3`. Pure."""

from decimal import Decimal

_POWERS = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse_quantity(text: int | str) -> Decimal:
    """Return the amount in its base unit (cores, bytes).

    Raises:
        ArithmeticError: for a text that is no quantity.
    """
    plain = str(text)
    if plain[-2:] in _BINARY:
        return Decimal(plain[:-2]) * Decimal(1 << _BINARY[plain[-2:]])
    if plain[-1:] in _POWERS:
        return Decimal(plain[:-1]).scaleb(_POWERS[plain[-1:]])
    return Decimal(plain)
