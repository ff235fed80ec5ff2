"""A real Triton as a target, over both protocols, in plain text and behind TLS."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from edgewise_runtime.escalation.targets import Question, Targets
from edgewise_runtime.protocol.messages import InferRequest, Tensor
from tests.cloud.road import ending_tls, road
from tests.cloud.triton import Triton
from tests.cluster.paths import REPOSITORY
from tests.runtime.issuer import Issuer
from tests.runtime.targets.asking import SECURE, ask, digits, images, logits, mounted, refusal, target

BOTH = pytest.mark.parametrize("protocol", ["http", "grpc"])
CA = {"caSecretRef": {"name": "cloud-ca", "key": "ca.crt"}}
CLIENT = {"clientCertSecretRef": {"name": "client"}}


def url(triton: Triton, protocol: str) -> str:
    return triton.url if protocol == "http" else triton.grpc_url


def port(triton: Triton, protocol: str) -> int:
    return triton.http_port if protocol == "http" else triton.grpc_port


def expected(rows: int) -> NDArray[Any]:
    path = REPOSITORY / "examples/models/digits_cloud/digits-cloud-1.0.0.onnx"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (answer,) = session.run(["logits"], {"image": images(rows)})
    return np.asarray(answer)


@BOTH
@pytest.mark.loops
@pytest.mark.parametrize("rows", [1, 64])
async def test_it_answers_what_its_model_says(protocol: str, rows: int, triton: Triton, targets: Targets) -> None:
    reply = await ask(targets, target(url(triton, protocol)), digits(rows))
    np.testing.assert_allclose(logits(reply), expected(rows), rtol=1e-4, atol=1e-5)
    assert (reply.response.model, reply.response.id) == ("digits", f"{rows} rows")


@BOTH
async def test_one_connection_serves_one_question_after_the_other(
    protocol: str, triton: Triton, targets: Targets
) -> None:
    async with road(port(triton, protocol)) as way:
        asked = target(f"{protocol}://127.0.0.1:{way.port}")
        for rows in (1, 64, 2):
            assert len(logits(await ask(targets, asked, digits(rows)))) == rows
        assert way.connections == 1


@BOTH
async def test_questions_at_the_same_time_do_not_mix(protocol: str, triton: Triton, targets: Targets) -> None:
    asked = target(url(triton, protocol))
    replies = await asyncio.gather(*(ask(targets, asked, digits(rows)) for rows in range(1, 17)))
    assert [(len(logits(reply)), reply.response.id) for reply in replies] == [
        (rows, f"{rows} rows") for rows in range(1, 17)
    ]


@BOTH
async def test_whoever_gives_up_at_whatever_moment_is_obeyed(protocol: str, triton: Triton, targets: Targets) -> None:
    """Else a gateway that is told to stop would look on for ever."""
    asked = target(url(triton, protocol))
    targets.use([asked])
    for moments in range(400):
        asking = asyncio.ensure_future(targets.ask(asked, digits(), 10.0))
        for _ in range(moments):
            await asyncio.sleep(0)
        if not asking.cancel():
            break
        await asyncio.wait({asking})
        assert asking.cancelled(), f"not after {moments} rounds of the event loop"


@BOTH
async def test_the_model_may_have_another_name_there(protocol: str, triton: Triton, targets: Targets) -> None:
    question = Question(InferRequest("mnist", digits().request.inputs, outputs=("logits",)))
    assert len(logits(await ask(targets, target(url(triton, protocol), model="digits"), question))) == 1
    error = await refusal(targets, target(url(triton, protocol)), question)
    assert "unknown model: 'mnist'" in str(error)


@BOTH
async def test_a_request_that_triton_cannot_take_is_the_requests_own_fault(
    protocol: str, triton: Triton, targets: Targets
) -> None:
    wrong = Question(InferRequest("digits", (Tensor("image", "FP32", np.ones((1, 2), np.float32)),)))
    error = await refusal(targets, target(url(triton, protocol)), wrong)
    assert error.result == "rejected"
    assert "unexpected shape" in str(error)
    assert error.spent > wrong.size


@BOTH
async def test_without_wanted_outputs_all_of_them_come(protocol: str, triton: Triton, targets: Targets) -> None:
    question = Question(InferRequest("digits", digits(3).request.inputs))
    assert logits(await ask(targets, target(url(triton, protocol)), question)).shape == (3, 10)


@BOTH
async def test_compression_is_used_where_it_makes_a_request_smaller(
    protocol: str, triton: Triton, targets: Targets
) -> None:
    flat = Tensor("image", "FP32", np.zeros((64, 1, 28, 28), np.float32))
    noise = np.random.default_rng(0).integers(0, 2**32, (64, 1, 28, 28), np.uint32).view(np.float32)
    plain, packed = (target(url(triton, protocol), compress=compress) for compress in (False, True))
    for tensor, smaller in ((flat, True), (Tensor("image", "FP32", noise), False), (digits().request.inputs[0], True)):
        question = Question(InferRequest("digits", (tensor,)))
        sent = [(await ask(targets, asked, question)).sent for asked in (plain, packed)]
        assert (sent[1] < sent[0], sent[1] == sent[0]) == (smaller, not smaller)


@BOTH
@pytest.mark.loops
async def test_tls_with_a_ca_of_its_own(
    protocol: str, triton: Triton, targets: Targets, secrets: Path, tmp_path: Path, issuer: Issuer
) -> None:
    mounted(secrets, "cloud-ca", {"ca.crt": issuer.ca})
    async with road(port(triton, protocol), ending_tls(tmp_path / "tls", issuer.server())) as way:
        asked = target(f"{SECURE[protocol]}://localhost:{way.port}", tls=CA)
        assert len(logits(await ask(targets, asked, digits(64)))) == 64
        assert way.clients == [""]


@BOTH
async def test_a_certificate_that_another_ca_signed_is_not_believed(
    protocol: str, triton: Triton, targets: Targets, secrets: Path, tmp_path: Path, issuer: Issuer
) -> None:
    """Neither by the target's own CA, nor, without one, by the system's."""
    mounted(secrets, "cloud-ca", {"ca.crt": Issuer("another").ca})
    async with road(port(triton, protocol), ending_tls(tmp_path / "tls", issuer.server())) as way:
        for tls in (CA, None):
            asked = target(f"{SECURE[protocol]}://localhost:{way.port}", tls=tls)
            error = await refusal(targets, asked, digits())
            assert (error.result, error.spent) == ("unreachable", 0)
            assert "certificate verify failed" in str(error)
        assert way.sent == 0


@BOTH
async def test_the_certificate_must_be_for_the_host_or_for_the_server_name(
    protocol: str, triton: Triton, targets: Targets, secrets: Path, tmp_path: Path, issuer: Issuer
) -> None:
    mounted(secrets, "cloud-ca", {"ca.crt": issuer.ca})
    tls = ending_tls(tmp_path / "tls", issuer.server(host="triton.example"))
    async with road(port(triton, protocol), tls) as way:
        address = f"{SECURE[protocol]}://127.0.0.1:{way.port}"
        named = target(address, tls={**CA, "serverName": "triton.example"})
        assert len(logits(await ask(targets, named, digits()))) == 1
        for wrong in ("", "other.example"):
            error = await refusal(targets, target(address, tls={**CA, "serverName": wrong}), digits())
            assert "certificate is not valid for" in str(error)


@BOTH
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_certificate_is_shown_where_it_is_asked_for(
    protocol: str,
    version: ssl.TLSVersion,
    triton: Triton,
    targets: Targets,
    secrets: Path,
    tmp_path: Path,
    issuer: Issuer,
) -> None:
    mounted(secrets, "cloud-ca", {"ca.crt": issuer.ca})
    fleet = Issuer("devices")
    client = fleet.client("box-7")
    mounted(secrets, "client", {"tls.crt": client.certificate, "tls.key": client.key})
    context = ending_tls(tmp_path / "tls", issuer.server(), clients=fleet)
    context.maximum_version = version
    async with road(port(triton, protocol), context) as way:
        address = f"{SECURE[protocol]}://localhost:{way.port}"
        assert len(logits(await ask(targets, target(address, tls=CA | CLIENT), digits()))) == 1
        assert way.clients == ["box-7"]
        assert (await refusal(targets, target(address, tls=CA), digits())).result == "unreachable"
