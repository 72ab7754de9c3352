"""The Kubernetes API as a function: what the testbed itself asks of the clusters that it makes."""

import base64
import contextlib
import http.client
import json
import ssl
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from testbed.errors import TestbedError

# An API server closes a connection that has been idle for 90 s, and a request that meets this is lost.
_IDLE_S = 30.0


class ApiError(TestbedError):
    """The API server's answer was not a success; `status` is the HTTP code, 0 when it did not answer at all."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Rest:
    """Requests with the credentials of a kubeconfig that the testbed wrote, one at a time, on one connection."""

    def __init__(self, kubeconfig: Path, limit_s: float = 60) -> None:
        document = yaml.safe_load(kubeconfig.read_text())
        cluster = document["clusters"][0]["cluster"]
        user = document["users"][0]["user"]
        url = urlsplit(cluster["server"])
        context = ssl.create_default_context(cadata=_decoded(cluster["certificate-authority-data"]))
        self._headers = {"Accept": "application/json"}
        if "token" in user:
            self._headers["Authorization"] = f"Bearer {user['token']}"
        else:
            _present(context, user)
        self._line = http.client.HTTPSConnection(url.hostname or "", url.port, context=context, timeout=limit_s)
        self._used_s = time.monotonic()

    def __call__(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> Any:
        """Return the decoded answer, or its text when it is not JSON.

        Raises:
            ApiError: The server refused, or did not answer.
        """
        payload = None if body is None else json.dumps(body)
        self._renew()
        try:
            self._line.request(method, path, payload, {**self._headers, "Content-Type": content_type})
            answer = self._line.getresponse()
            status, text = answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self._line.close()
            raise ApiError(0, f"{method} {path}: {error!r}") from error
        if status >= 400:
            raise ApiError(status, f"{method} {path}: HTTP {status}: {text[:500]}")
        return json.loads(text) if text.startswith(("{", "[")) else text

    def _renew(self) -> None:
        """Have the next request open a connection where the last one is long ago."""
        now = time.monotonic()
        if now - self._used_s > _IDLE_S:
            self._line.close()
        self._used_s = now

    def apply(self, path: str, manifest: object) -> None:
        """Server-side apply as the field manager `testbed`."""
        self("PATCH", f"{path}?fieldManager=testbed&force=true", manifest, "application/apply-patch+yaml")

    def ready(self, path: str = "/readyz") -> bool:
        """Whether a health endpoint says yes."""
        with contextlib.suppress(ApiError):
            self("GET", path)
            return True
        return False

    def close(self) -> None:
        """Close the connection; the next request opens one."""
        self._line.close()


def _present(context: ssl.SSLContext, user: dict[str, str]) -> None:
    with tempfile.NamedTemporaryFile("w") as pair:  # the ssl module reads certificates from files only
        pair.write(_decoded(user["client-certificate-data"]) + _decoded(user["client-key-data"]))
        pair.flush()
        context.load_cert_chain(pair.name)


def _decoded(data: str) -> str:
    return base64.b64decode(data).decode()
