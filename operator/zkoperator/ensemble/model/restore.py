"""What a restore is made from, and what its Jobs are called. Pure."""

from dataclasses import dataclass
from hashlib import sha256

from zkoperator.api.backup_storage import BackupStorage
from zkoperator.zk.zxid import epoch_of


@dataclass(frozen=True, slots=True)
class Source:
    """A backup that is to be restored.

    `called` is how messages call it. `location` is where it is in its storage; its zxid is a part of that.
    """

    called: str
    storage: BackupStorage
    location: str

    @property
    def zxid(self) -> int:
        """The moment that the backup shows."""
        return int(self.location.rpartition("-")[2], 16)

    @property
    def epoch(self) -> int:
        """The epoch of that zxid."""
        return epoch_of(self.zxid)


def check_job(cluster: str, approved: str, source: Source) -> str:
    """Return the Job that reads the backup before anything is stopped. Another approval has another Job."""
    return f"{cluster}-check{_digest(approved, source.location)}"


def fetch_job(cluster: str, epoch: int, source: Source) -> str:
    """Return the Job that puts the backup on the seed's volume. Another incarnation has another Job."""
    return f"{cluster}-fetch{_digest(str(epoch), source.location)}"


def _digest(*parts: str) -> str:
    """Return a few characters: Kubernetes labels pods with the Job's name, of at most 63."""
    return sha256(" ".join(parts).encode()).hexdigest()[:8]
