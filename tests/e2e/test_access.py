"""A guarded deployment on real devices: shut without its Secrets, open to who shows what they say, renewed live."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples import digits_client
from tests.cluster.progress import say
from tests.runtime.issuer import Issuer
from tests.stage import examples
from tests.stage.product import Product

NAME = "digits-guarded"
CLIENTS, CERTIFICATE = "digits-clients", "digits-tls"
RENEWED = 150.0  # seconds a kubelet may take for a changed Secret by itself; the docs say two minutes
AT_ONCE = 30.0  # and for one of a pod that was annotated, which makes it look


@pytest.fixture
def guarded(digits: Product) -> Iterator[Product]:
    """08-access beside the digits; its Secrets do not exist."""
    _forget(digits)
    examples.apply(digits, "08-access")
    yield digits
    digits.kubectl("delete", "edgedeployment", NAME)
    _forget(digits)


def test_a_guarded_deployment_from_missing_secrets_to_a_replaced_token(guarded: Product, tmp_path: Path) -> None:
    kubectl, issuer, token, successor = guarded.kubectl, Issuer(), secrets.token_hex(16), secrets.token_hex(16)
    said = kubectl.wait_reason("edgedeployment", NAME, "AccessNotReady", 120)
    assert CLIENTS in said["message"] or CERTIFICATE in said["message"]
    since = time.monotonic()
    _certificate(guarded, issuer)
    _clients(guarded, {"camera": token})
    kubectl.wait_ready("edgedeployment", NAME, RENEWED)
    say(f"open {time.monotonic() - since:.0f} s after its Secrets were made")
    assert guarded.status(NAME)["url"] == f"https://{NAME}.edgewise-demo.svc:8000"

    before = _lives(guarded)
    with kubectl.forward(f"svc/{NAME}", 8000) as address:
        _serves(address, issuer, token, tmp_path)
        _token_is_replaced(guarded, address, issuer, (token, successor))
        slow = {"spec": {"serving": {"rateLimit": {"requestsPerSecond": 1, "burst": 2}}}}
        kubectl("patch", "edgedeployment", NAME, "--type=merge", "-p", json.dumps(slow))
        kubectl.wait("the new rate holds", lambda: _status(address, issuer, successor) == 429, 60, every=0)
    assert _lives(guarded) == before, "a pod was restarted for a renewed Secret"


def _serves(address: str, issuer: Issuer, token: str, tmp_path: Path) -> None:
    """The example's client, and strangers."""
    (tmp_path / "ca.crt").write_bytes(issuer.ca)
    url = f"https://localhost:{address.rpartition(':')[2]}"
    assert digits_client.run(url, count=200, token=token, ca=str(tmp_path / "ca.crt")).accuracy > 0.9
    assert _status(address, issuer, "") == 401
    assert _status(address, issuer, token[::-1]) == 401


def _token_is_replaced(product: Product, address: str, issuer: Issuer, tokens: tuple[str, str]) -> None:
    """By overlap; at no time is a client with a right token refused."""
    old, new = tokens
    _clients(product, {"camera": old, "camera-next": new})
    _hurry(product)
    product.kubectl.wait("the new token is known", lambda: _status(address, issuer, new) == 200, AT_ONCE)
    assert _status(address, issuer, old) == 200
    _clients(product, {"camera-next": new})
    _hurry(product)
    product.kubectl.wait("the old one is not", lambda: _status(address, issuer, old) == 401, AT_ONCE)
    assert _status(address, issuer, new) == 200


def _status(address: str, issuer: Issuer, token: str) -> int:
    """Of a request for the model's metadata, through the forwarded port."""
    context = ssl.create_default_context(cadata=issuer.ca.decode())
    connection = http.client.HTTPSConnection("localhost", int(address.rpartition(":")[2]), timeout=10, context=context)
    try:
        connection.request("GET", "/v2/models/digits", headers={"Authorization": f"Bearer {token}"} if token else {})
        return connection.getresponse().status
    finally:
        connection.close()


def _certificate(product: Product, issuer: Issuer) -> None:
    pair = issuer.server()
    files = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": issuer.ca}
    product.kubectl.apply(_secret(CERTIFICATE, files) | {"type": "kubernetes.io/tls"})


def _clients(product: Product, tokens: dict[str, str]) -> None:
    """These and no others."""
    product.kubectl.apply(_secret(CLIENTS, {name: token.encode() for name, token in tokens.items()}))


def _hurry(product: Product) -> None:
    """As the docs advise who cannot wait for the kubelets."""
    pods = ("pods", "-l", f"edgewise.dev/deployment={NAME}")
    product.kubectl("annotate", *pods, f"edgewise.dev/poke={time.time_ns()}", "--overwrite")


def _secret(name: str, content: dict[str, bytes]) -> dict[str, Any]:
    data = {key: base64.b64encode(value).decode() for key, value in content.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


def _lives(product: Product) -> dict[str, int]:
    """Pod -> how often its container was started again."""
    pods = product.pods(NAME).values()
    return {pod["metadata"]["uid"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods}


def _forget(product: Product) -> None:
    product.kubectl("delete", "secret", CLIENTS, CERTIFICATE, "--ignore-not-found")
