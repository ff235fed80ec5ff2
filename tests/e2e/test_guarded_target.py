"""Devices ask a target that demands a token, over TLS of a CA of its own: without their Secrets, with, and renewed."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.runtime.issuer import Issuer
from tests.stage import examples, traffic
from tests.stage.product import DEMO, Product

PEER = "digits-guarded"
CLIENTS, CERTIFICATE = "digits-clients", "digits-tls"  # what the target mounts, as 08-access names them
CA, TOKEN = "target-ca", "target-token"
RENEWED = 150.0  # seconds a kubelet may take for a Secret that is new; the docs say two minutes
AT_ONCE = 30.0  # and for one of a pod that was annotated, which makes it look


@pytest.fixture
def guarded(digits: Product) -> Iterator[Product]:
    """The digits on every device a second time, behind a door; who shall ask there lacks the Secrets for it."""
    _forget(digits)
    token, issuer = secrets.token_hex(16), Issuer()
    pair = issuer.server(host=f"{PEER}.{DEMO}.svc")
    _secret(digits, CERTIFICATE, {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": issuer.ca})
    _secret(digits, CLIENTS, {"devices": token.encode()})
    examples.apply(digits, "08-access")
    digits.kubectl.wait_ready("edgedeployment", PEER, RENEWED)
    yield digits
    examples.apply(digits, "01-digits")
    digits.kubectl("delete", "edgedeployment", PEER)
    _forget(digits)
    examples.wait_settled(digits)


def test_a_guarded_target_from_missing_secrets_to_a_replaced_token(guarded: Product) -> None:
    _ask_the_peer(guarded)
    said = guarded.kubectl.wait_reason("edgedeployment", "digits", "TargetNotReady", RENEWED)
    assert said["status"] == "True"
    assert f"Secret {CA} is missing" in said["message"] or f"Secret {TOKEN} is missing" in said["message"]
    assert set(sources(guarded, "alone")) == {"device"}

    guarded.kubectl.wait("every pod would mount them", lambda: _prepared(guarded) or None, RENEWED)
    examples.wait_settled(guarded)
    before = _lives(guarded)
    _copy(guarded, CERTIFICATE, "ca.crt", CA, "ca.crt")
    _copy(guarded, CLIENTS, "devices", TOKEN, "token")
    _hurry(guarded, "digits")
    guarded.kubectl.wait_reason("edgedeployment", "digits", "Serving", AT_ONCE)
    guarded.kubectl.wait("the target helps", lambda: not _refused(guarded) or None, AT_ONCE, every=2)

    successor = secrets.token_hex(16)
    _secret(guarded, CLIENTS, {"devices-next": successor.encode()})
    _hurry(guarded, PEER)
    guarded.kubectl.wait("the old token is refused", lambda: _refused(guarded) or None, AT_ONCE, every=2)
    _secret(guarded, TOKEN, {"token": successor.encode()})
    _hurry(guarded, "digits")
    guarded.kubectl.wait("the new one is sent", lambda: not _refused(guarded) or None, AT_ONCE, every=2)
    assert _lives(guarded) == before, "a pod was replaced or restarted for a Secret"


def sources(product: Product, name: str) -> dict[str, int]:
    """Who answered, of three hundred images; nobody was refused."""
    client = traffic.Client(product.status()["url"], rate=100, count=300, selector={"edgewise.dev/tier": "cloud"})
    answers = traffic.start(product.kubectl, product.images["runtime-cpu"], f"{name}-client", client).finish()
    assert answers.failed == 0, answers.errors
    return dict(answers.sources)


def _ask_the_peer(product: Product) -> None:
    """03-cloud-help, with another target."""
    body = yaml.safe_load(Path("examples/03-cloud-help/edgedeployment.yaml").read_text())
    peer = {
        "name": "peer",
        "deploymentRef": {"name": PEER},
        "model": "digits",
        "tls": {"caSecretRef": {"name": CA, "key": "ca.crt"}},
        "credentialsSecretRef": {"name": TOKEN},
    }
    body["spec"]["escalation"] |= {"targets": [peer], "timeout": "2s"}
    product.kubectl.apply(body)


def _refused(product: Product) -> bool:
    """Whether no answer of some is the target's, though some are doubtful."""
    return "target:peer" not in sources(product, f"look-{time.time_ns()}")


def _copy(product: Product, source: str, key: str, name: str, as_key: str) -> None:
    data = product.kubectl.get("secret", source)["data"]
    _secret(product, name, {as_key: base64.b64decode(data[key])})


def _secret(product: Product, name: str, content: dict[str, bytes]) -> None:
    """With these keys and no others."""
    data = {key: base64.b64encode(value).decode() for key, value in content.items()}
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
    product.kubectl.apply(body)


def _hurry(product: Product, deployment: str) -> None:
    """As the docs advise who cannot wait for the kubelets."""
    pods = ("pods", "-l", f"edgewise.dev/deployment={deployment}")
    product.kubectl("annotate", *pods, f"edgewise.dev/poke={time.time_ns()}", "--overwrite")


def _prepared(product: Product) -> bool:
    """Whether each device has a pod that mounts the Secrets, there or not."""
    pods = product.pods("digits").values()
    mounted = [[one.get("secret", {}).get("secretName") for one in pod["spec"]["volumes"]] for pod in pods]
    return len(mounted) == product.status()["nodes"]["matched"] and all({CA, TOKEN} <= set(names) for names in mounted)


def _lives(product: Product) -> dict[str, int]:
    """Pod -> how often its container was started again."""
    pods = product.pods("digits").values()
    return {pod["metadata"]["uid"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods}


def _forget(product: Product) -> None:
    product.kubectl("delete", "secret", CLIENTS, CERTIFICATE, CA, TOKEN, "--ignore-not-found")
