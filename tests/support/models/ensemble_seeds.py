"""Bugs that more than one file of tests about ensembles seeds."""

import pytest

from zkoperator.ensemble.apply import reconfigurer
from zkoperator.ensemble.build.secret import password_in
from zkoperator.ensemble.observe import observer


def anybodys_secret(patch: pytest.MonkeyPatch) -> None:
    """Use the password of a Secret whoever owns it."""
    for module in (observer, reconfigurer):
        patch.setattr(module, "password_of", lambda _, manifest: password_in(manifest))
    patch.setattr(observer, "ownership_of", lambda _: None)
