"""As much of a Kubernetes client as the harness needs: JSON over TLS with a client certificate.

The product has its own client, which is under test; its tests must not lean on it to look at the world.
"""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.cluster.pki import Certificate

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class ApiError(RuntimeError):
    """The API server refused; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Client:
    """Speaks to the API server at `url` as the holder of a certificate."""

    def __init__(self, url: str, ca: Path, identity: Certificate) -> None:
        self.url = url
        tls = ssl.create_default_context(cafile=str(ca))
        tls.load_cert_chain(identity.certificate, identity.key)
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls)
        self._opener = urllib.request.build_opener(*handlers)

    def raw(self, method: str, path: str, body: object = None, content_type: str = JSON, *, accept: str = "*/*") -> str:
        """The body of the answer as text. Raises `ApiError` on a refusal, `OSError` when nobody answers."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data, {"Content-Type": content_type, "Accept": accept}, method=method
        )
        try:
            with self._opener.open(request, timeout=30) as reply:
                text: str = reply.read().decode()
                return text
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise ApiError(refusal.code, refusal.read().decode()[:2000]) from None

    def get(self, path: str) -> dict[str, Any]:
        """The object or list at `path`."""
        found: dict[str, Any] = json.loads(self.raw("GET", path))
        return found

    def post(self, path: str, body: object) -> None:
        """Creates an object."""
        self.raw("POST", path, body)

    def patch(self, path: str, body: object) -> None:
        """Merges `body` into the object at `path`."""
        self.raw("PATCH", path, body, MERGE_PATCH)

    def apply(self, path: str, body: object) -> None:
        """Creates or updates an object by server-side apply, forcibly."""
        self.raw("PATCH", f"{path}?fieldManager=edgewise-test-cluster&force=true", body, APPLY_PATCH)

    def ready(self) -> bool:
        """Whether the API server says that it is ready."""
        try:
            return self.raw("GET", "/readyz") == "ok"
        except (ApiError, OSError):
            return False
