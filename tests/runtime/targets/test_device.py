"""A whole device with guarded targets: a weak model of its own, a real Triton behind TLS, Secrets mounted or not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from edgewise.api.confidence import Confidence
from edgewise.api.escalation import Budget, EscalationWhen
from edgewise.contract.plan import PlanEscalation, PlanTarget
from tests.cloud.road import ending_tls, road
from tests.cloud.triton import Triton
from tests.cluster.paths import REPOSITORY
from tests.runtime.issuer import Issuer
from tests.runtime.serving import Running, numbers, running, served
from tests.runtime.targets.asking import SECURE, mounted, target

DIGITS = REPOSITORY / "examples/models/digits"
CA = {"caSecretRef": {"name": "cloud-ca", "key": "ca.crt"}}


@pytest.fixture
async def device(secrets: Path) -> AsyncIterator[Running]:
    sure = Confidence(output="logits", method="SoftmaxMax", temperature="100.0")  # of nothing
    digits = served(DIGITS / "digits-int8-1.1.0.onnx", "digits", confidence=sure)
    async with running(digits, secrets_folder=str(secrets)) as device:
        yield device


def plan(*targets: PlanTarget) -> PlanEscalation:
    when = EscalationWhen(confidence_below="0.9")
    return PlanEscalation(targets=list(targets), when=when, timeout_seconds=10.0, budget=Budget())


async def source(device: Running) -> str:
    with np.load(DIGITS / "heldout.npz") as held:
        image = held["images"][0].reshape(1, 1, 28, 28).astype(np.float32) / 255
    status, body = await device.infer("digits", {"inputs": [numbers("image", image)]})
    assert status == 200, body
    return str(body["parameters"]["edgewise_source"])


@pytest.mark.loops
@pytest.mark.parametrize("protocol", ["http", "grpc"])
async def test_a_guarded_triton_helps(
    protocol: str, device: Running, triton: Triton, secrets: Path, issuer: Issuer, tmp_path: Path
) -> None:
    client = issuer.client("box-7")
    mounted(secrets, "cloud-ca", {"ca.crt": issuer.ca})
    mounted(secrets, "client", {"tls.crt": client.certificate, "tls.key": client.key})
    port = triton.http_port if protocol == "http" else triton.grpc_port
    async with road(port, ending_tls(tmp_path / "tls", issuer.server(), clients=issuer)) as way:
        tls = {**CA, "clientCertSecretRef": {"name": "client"}}
        device.server.configure(
            None, plan(target(f"{SECURE[protocol]}://localhost:{way.port}", tls=tls, compress=True))
        )
        assert await source(device) == "target:cloud"
        assert way.clients == ["box-7"]


async def test_a_target_whose_secret_is_missing_is_skipped_and_the_next_one_helps(
    device: Running, triton: Triton
) -> None:
    guarded = target("https://localhost:1", name="guarded", credentialsSecretRef={"name": "nowhere"})
    device.server.configure(None, plan(guarded, target(triton.grpc_url)))
    for _ in range(5):
        assert await source(device) == "target:cloud"
    assert await device.metric('edgewise_escalations_total{result="unconfigured",target="guarded"}') == 5
    assert await device.metric('edgewise_breaker_state{target="guarded"}') == 0
    device.server.configure(None, plan(guarded))
    assert await source(device) == "device"
