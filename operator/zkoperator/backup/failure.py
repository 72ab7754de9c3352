"""How a backup fails, with the reason that its object shows. Pure."""

from zkoperator.backup.order import Reason
from zkoperator.errors import ZkOperatorError


class BackupError(ZkOperatorError):
    """The order cannot be carried out. Neither a value nor a credential may be in the message."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def differs(what: str) -> BackupError:
    """Return the error of stored data that is not what was written."""
    return BackupError(Reason.DIGEST_DIFFERS, what)
