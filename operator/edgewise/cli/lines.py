"""Ways to a server of the Open Inference Protocol: straight to a device or a cloud, or through the API server.

Plain urllib3, which the kubernetes client brings: the same request goes each way, with whatever the person's kubeconfig
says of certificates and tokens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from edgewise.cli.asking import AskingError, Cluster

_AGAIN = urllib3.Retry(
    total=None, connect=0, read=0, other=0, redirect=0, status=4,
    status_forcelist=(429, 503), allowed_methods=None, backoff_factor=0.2, raise_on_status=False,
)  # fmt: skip
"""Whoever is too busy is asked again, after as long as it says; whoever is not there is not."""


@dataclass(frozen=True)
class Line:
    """A way to a server."""

    base: str
    pool: urllib3.PoolManager
    headers: Mapping[str, str] = field(default_factory=dict)

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> urllib3.BaseHTTPResponse:
        """GET, or POST of `body`. AskingError where the answer is none, or not 200."""
        try:
            answer = self.pool.request(
                "GET" if body is None else "POST", f"{self.base}{path}", body=body, redirect=False,
                headers={**self.headers, **headers}, timeout=30.0, retries=_AGAIN,
            )  # fmt: skip
        except (HTTPError, OSError) as error:
            raise AskingError(f"no answer from {self.base}: {' '.join(str(error).split())}") from error
        if answer.status != 200:
            raise AskingError(f"{self.base}{path} answered {answer.status}: {_said(answer.data)}")
        return answer


def _said(body: bytes) -> str:
    """The words of an error, on one line: `error` of a server of the protocol, `message` of the API server."""
    try:
        document = json.loads(body)
        text = str(document.get("error") or document["message"])
    except (ValueError, AttributeError, KeyError):
        text = body.decode(errors="replace")
    return " ".join(text.split())[:300]


def straight(url: str, token: str = "", ca: str = "") -> Line:
    """To `http(s)://host:port`; `ca`: file of the CA to trust. AskingError where that is no URL, or no file."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AskingError(f"{url} is no http or https URL; write it as http://192.0.2.7:8000")
    if ca and not Path(ca).is_file():
        raise AskingError(f"there is no file {ca}; name the CA's certificate (PEM) with --ca")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return Line(url.rstrip("/"), urllib3.PoolManager(ca_certs=ca or None), headers)


def through(cluster: Cluster, namespace: str, service: str) -> Line:
    """To port `http` of a Service, through the API server, so that nothing has to be forwarded."""
    keys = cluster.settings.auth_settings().get("BearerToken")
    path = f"/api/v1/namespaces/{namespace}/services/{service}:http/proxy"
    headers = {keys["key"]: keys["value"]} if keys else {}
    return Line(f"{cluster.settings.host.rstrip('/')}{path}", cluster.api.rest_client.pool_manager, headers)
