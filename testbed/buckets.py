"""A store that speaks as S3 does, on a loopback address: versitygw over a folder."""

import http.client
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed.binaries import versitygw
from testbed.processes import Server, free_ports, wait_for

ACCESS_KEY = "testbed-access"
SECRET_KEY = "testbed-secret"
REGION = "us-east-1"

_ADDRESS = "127.0.0.1"


class BucketServer:
    """The server with its buckets; as a context manager it ends it and removes them."""

    def __init__(self) -> None:
        """Prepare it with no bucket; `start` starts it."""
        self._directory = Path(tempfile.mkdtemp(prefix="zkoperator-buckets-"))
        self._buckets = self._directory / "buckets"
        self._buckets.mkdir()
        (self._port,) = free_ports(_ADDRESS, 1)
        argv: list[str | Path] = [versitygw(), "--access", ACCESS_KEY, "--secret", SECRET_KEY, "--region", REGION]
        argv += ["--port", f"{_ADDRESS}:{self._port}", "--health", "/health", "posix", self._buckets]
        self._server = Server(argv, self._directory / "server.log")

    @property
    def endpoint(self) -> str:
        """The address for clients."""
        return f"http://{_ADDRESS}:{self._port}"

    def start(self, limit_s: float = 120) -> Self:
        """Start it and wait until it answers."""
        self._server.start()
        wait_for("versitygw", self._is_healthy, limit_s=limit_s, servers=[self._server])
        return self

    def bucket(self, name: str) -> Path:
        """Make a bucket; return the folder with its objects."""
        folder = self._buckets / name
        folder.mkdir(exist_ok=True)
        return folder

    def close(self) -> None:
        """Kill it and remove its files."""
        self._server.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _is_healthy(self) -> bool:
        connection = http.client.HTTPConnection(_ADDRESS, self._port, timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()
