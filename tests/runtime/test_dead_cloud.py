"""A device and a real Triton, with every fault between them, over HTTP and over gRPC: each request is answered with the
local answer, and after three tries nobody is asked any more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgewise.api.base import SecretKeyRef
from edgewise.api.confidence import Confidence
from edgewise.api.escalation import Budget, EscalationWhen, Tls
from edgewise.contract.plan import PlanEscalation, PlanTarget
from edgewise_runtime.escalation.breaker import FAILURES, State
from tests.cloud.faults import FAULTS, Between, Fault, between
from tests.cloud.road import ending_tls
from tests.cloud.triton import MODEL, Triton
from tests.runtime.helped import escalator, settled, source, waited
from tests.runtime.issuer import Issuer
from tests.runtime.serving import Running, numbers, running, served
from tests.runtime.tinyonnx import info, save

ASKED = 12
IMAGE = np.random.default_rng(7).random((1, 1, 28, 28), np.float32)
EXPECTED: dict[Fault, str] = {
    "blackhole": "timeout", "slow": "timeout", "reset": "unreachable", "noise": "unreachable", "error": "refused",
    "garbage": "invalid", "another shape": "invalid", "no numbers": "invalid", "another request's id": "invalid",
}  # fmt: skip


def patience(fault: Fault, url: str) -> float:
    """Seconds. HTTP/2 takes this noise for the head of a long frame, and waits for its end."""
    waits = fault in ("blackhole", "slow") or (fault == "noise" and url.startswith("grpc"))
    return 0.3 if waits else 30.0


def clueless(folder: Path) -> Path:
    """Takes what the digits' models take, and finds all digits alike: logits of 0, a confidence of 0.1."""
    nodes = [helper.make_node("Flatten", ["image"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["logits"])]
    return save(
        folder / "clueless.onnx",
        nodes,
        [info("image", TensorProto.FLOAT, ["n", 1, 28, 28])],
        [info("logits", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(np.zeros((784, 10), np.float32), "w")],
    )


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[Running]:
    model = served(clueless(tmp_path), MODEL, confidence=Confidence(output="logits"))
    async with running(model, secrets_folder=str(tmp_path / "secrets")) as device:
        yield device


@pytest.fixture(params=["http", "grpc"])
async def cloud(request: pytest.FixtureRequest, triton: Triton) -> AsyncIterator[tuple[str, Between]]:
    """Its URL, and what stands before it."""
    async with between(triton.url if request.param == "http" else triton.grpc_url) as road:
        yield f"{request.param}://127.0.0.1:{road.port}", road


def plan(url: str, timeout: float, **target: Any) -> PlanEscalation:
    return PlanEscalation(
        targets=[PlanTarget(name="cloud", url=url, model=MODEL, **target)],
        when=EscalationWhen(confidence_below="0.85"),
        timeout_seconds=timeout,
        budget=Budget(),
    )


async def ask(device: Running) -> str:
    """Who answered, when all has been learnt from it: the device's digits are all alike, Triton's are not."""
    status, body = await device.infer(MODEL, {"inputs": [numbers("image", IMAGE)]})
    assert status == 200, body
    assert (len(set(body["outputs"][0]["data"])) == 1) == (source(body) == "device")
    await settled(device)
    return source(body)


async def tried(device: Running) -> dict[str, float]:
    """{result: questions that left}."""
    line = 'edgewise_escalations_total{{result="{}",target="cloud"}}'
    results = {"answered", *EXPECTED.values()}
    counts = {result: await device.metric(line.format(result)) for result in results}
    return {result: count for result, count in counts.items() if count}


async def test_without_a_fault_triton_helps(device: Running, cloud: tuple[str, Between]) -> None:
    url, road = cloud
    device.server.configure(None, plan(url, timeout=30.0))
    assert [await ask(device) for _ in range(3)] == ["target:cloud"] * 3
    assert (road.asked, await tried(device)) == (3, {"answered": 3})


@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_is_wrong_each_request_is_answered(
    fault: Fault, device: Running, cloud: tuple[str, Between]
) -> None:
    url, road = cloud
    road.fault = fault
    device.server.configure(None, plan(url, timeout=patience(fault, url)))
    assert [await ask(device) for _ in range(ASKED)] == ["device"] * ASKED
    assert escalator(device).breakers["cloud"] == State.OPEN
    assert road.asked <= FAILURES
    counted = await tried(device)
    assert sum(counted.values()) == FAILURES
    expected = "timeout" if fault == "noise" and url.startswith("grpc") else EXPECTED[fault]
    assert counted == {expected: FAILURES}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_connection_that_worked_and_then_fails_is_no_worse(
    fault: Fault, device: Running, cloud: tuple[str, Between]
) -> None:
    url, road = cloud
    device.server.configure(None, plan(url, timeout=30.0))
    assert await ask(device) == "target:cloud"
    road.fault = fault
    device.server.configure(None, plan(url, timeout=patience(fault, url)))
    assert [await ask(device) for _ in range(ASKED)] == ["device"] * ASKED
    assert escalator(device).breakers["cloud"] == State.OPEN
    assert road.asked <= 1 + FAILURES
    road.fault = None
    device.server.configure(None, plan(url, timeout=30.0))
    waited(device)
    await ask(device)  # beside which the probe is sent
    assert escalator(device).breakers["cloud"] == State.CLOSED
    assert await ask(device) == "target:cloud"


CERTIFICATES = ("another CA's", "another host's")


@pytest.mark.parametrize("what", CERTIFICATES)
@pytest.mark.parametrize("scheme", ["https", "grpcs"])
async def test_a_bad_certificate_is_no_help(
    scheme: str, what: str, device: Running, triton: Triton, tmp_path: Path
) -> None:
    trusted, other = Issuer(), Issuer("somebody else")
    bad = other.server() if what == "another CA's" else trusted.server(host="elsewhere.example")
    _mount(tmp_path / "secrets/trust", trusted)
    tls = Tls(ca_secret_ref=SecretKeyRef(name="trust", key="ca.crt"))
    target = triton.url if scheme == "https" else triton.grpc_url
    async with between(target, ending_tls(tmp_path / "bad", bad)) as road:
        device.server.configure(None, plan(f"{scheme}://127.0.0.1:{road.port}", timeout=30.0, tls=tls))
        assert [await ask(device) for _ in range(ASKED)] == ["device"] * ASKED
        assert await tried(device) == {"unreachable": FAILURES}
        assert road.asked == 0
    async with between(target, ending_tls(tmp_path / "good", trusted.server())) as road:
        device.server.configure(None, plan(f"{scheme}://127.0.0.1:{road.port}", timeout=30.0, tls=tls))
        assert await ask(device) == "target:cloud"


def _mount(folder: Path, issuer: Issuer) -> None:
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(issuer.ca)
