"""Our own runtime as a target that does not let everybody in, and what becomes of credentials everywhere else."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from aiohttp import BasicAuth, web

from edgewise_runtime import logs
from edgewise_runtime.escalation.targets import Targets
from edgewise_runtime.escalation.targets.papers import Desk
from tests.cloud.road import ending_tls, road
from tests.runtime.guarded import TOKEN, by_certificate, by_token, guarded
from tests.runtime.issuer import Issuer
from tests.runtime.serving import Running
from tests.runtime.targets.asking import SECURE, ask, linear, logits, mounted, refusal, target

pytestmark = pytest.mark.loops
BOTH = pytest.mark.parametrize("protocol", ["http", "grpc"])
CA = {"caSecretRef": {"name": "cloud-ca", "key": "ca.crt"}}
CLIENT = {"clientCertSecretRef": {"name": "client"}}
CREDENTIALS = {"credentialsSecretRef": {"name": "cloud"}}
QUESTION = linear(np.array([[0.25, -1.5]], np.float32))


@pytest.fixture
async def device(tmp_path: Path, issuer: Issuer) -> AsyncIterator[Running]:
    """Demands a token, over TLS."""
    async with guarded(tmp_path, **by_token(tmp_path), **by_certificate(tmp_path, issuer)) as device:
        yield device


def url(device: Running, protocol: str) -> str:
    address = device.address if protocol == "http" else device.grpc_address
    return f"{SECURE[protocol]}://localhost:{address.rpartition(':')[2]}"


@BOTH
async def test_a_token_opens_the_door(
    protocol: str, device: Running, targets: Targets, secrets: Path, issuer: Issuer
) -> None:
    mounted(secrets, "cloud-ca", {"ca.crt": issuer.ca})
    mounted(secrets, "cloud", {"token": TOKEN.encode() + b"\n"})
    reply = await ask(targets, target(url(device, protocol), tls=CA, **CREDENTIALS), QUESTION)
    np.testing.assert_array_equal(logits(reply), QUESTION.request.inputs[0].data)


@BOTH
@pytest.mark.parametrize("token", [None, b"not-the-one-that-is-admitted"])
async def test_without_the_right_token_it_stays_shut(
    protocol: str, token: bytes | None, device: Running, targets: Targets, secrets: Path, issuer: Issuer
) -> None:
    mounted(secrets, "cloud-ca", {"ca.crt": issuer.ca})
    if token is not None:
        mounted(secrets, "cloud", {"token": token})
    asked = target(url(device, protocol), tls=CA, **(CREDENTIALS if token is not None else {}))
    error = await refusal(targets, asked, QUESTION)
    assert error.result == "refused"
    assert str(error).startswith("HTTP 401" if protocol == "http" else "gRPC UNAUTHENTICATED")


@BOTH
async def test_a_tensor_of_some_megabytes_goes_there_and_back(
    protocol: str, device: Running, targets: Targets, secrets: Path, issuer: Issuer
) -> None:
    mounted(secrets, "cloud-ca", {"ca.crt": issuer.ca})
    mounted(secrets, "cloud", {"token": TOKEN.encode()})
    numbers = np.random.default_rng(0).random((400_000, 2), np.float32)
    reply = await ask(targets, target(url(device, protocol), tls=CA, **CREDENTIALS), linear(numbers))
    np.testing.assert_array_equal(logits(reply), numbers)


@BOTH
async def test_both_sides_may_show_certificates(
    protocol: str, targets: Targets, secrets: Path, issuer: Issuer, tmp_path: Path
) -> None:
    async with guarded(tmp_path, **by_certificate(tmp_path, issuer, clients=issuer)) as device:
        mounted(secrets, "cloud-ca", {"ca.crt": issuer.ca})
        client = issuer.client("box-7")
        mounted(secrets, "client", {"tls.crt": client.certificate, "tls.key": client.key})
        assert len(logits(await ask(targets, target(url(device, protocol), tls=CA | CLIENT), QUESTION))) == 1
        assert (await refusal(targets, target(url(device, protocol), tls=CA), QUESTION)).result == "unreachable"


@dataclass
class Recorder:
    """A server that is no model server, behind TLS, and what it was sent."""

    port: int
    authorizations: list[str]


@contextlib.asynccontextmanager
async def recording(
    answer: Callable[[web.Request], Awaitable[web.Response]], folder: Path, issuer: Issuer
) -> AsyncIterator[Recorder]:
    recorder = Recorder(0, [])

    async def handle(request: web.Request) -> web.Response:
        recorder.authorizations.append(request.headers.get("Authorization", ""))
        await request.read()
        return await answer(request)

    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ending_tls(folder, issuer.server()))
    await site.start()
    recorder.port = runner.addresses[0][1]
    try:
        yield recorder
    finally:
        await runner.cleanup()


async def test_a_user_name_and_a_password_go_as_basic_credentials(
    targets: Targets, secrets: Path, issuer: Issuer, tmp_path: Path
) -> None:
    async def forbid(_: web.Request) -> web.Response:
        return web.Response(status=403, text="not today")

    mounted(secrets, "cloud-ca", {"ca.crt": issuer.ca})
    mounted(secrets, "cloud", {"username": b"box", "password": "müde: 7".encode()})
    async with recording(forbid, tmp_path / "tls", issuer) as recorder:
        asked = target(f"https://localhost:{recorder.port}", tls=CA, **CREDENTIALS)
        assert str(await refusal(targets, asked, QUESTION)) == "HTTP 403: not today"
        assert BasicAuth.decode(recorder.authorizations[0], "utf-8") == ("box", "müde: 7", "utf-8")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_says_where_it_would_have_gone(
    status: int, targets: Targets, secrets: Path, issuer: Issuer, tmp_path: Path
) -> None:
    async def catch(_: web.Request) -> web.Response:
        return web.Response(text="caught")

    mounted(secrets, "cloud-ca", {"ca.crt": issuer.ca})
    mounted(secrets, "cloud", {"token": TOKEN.encode()})
    async with recording(catch, tmp_path / "tls", issuer) as elsewhere:
        there = f"https://localhost:{elsewhere.port}/v2?token={TOKEN}"

        async def send_away(_: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Location": there})

        async with recording(send_away, tmp_path / "tls", issuer) as recorder:
            asked = target(f"https://localhost:{recorder.port}", tls=CA, **CREDENTIALS)
            error = await refusal(targets, asked, QUESTION)
        assert elsewhere.authorizations == []
    assert (error.result, recorder.authorizations) == ("refused", [f"Bearer {TOKEN}"])
    assert f"localhost:{elsewhere.port}" in str(error)
    assert TOKEN not in str(error)


async def test_a_target_that_repeats_what_it_was_sent_gets_no_secret_into_our_log(
    targets: Targets, secrets: Path, issuer: Issuer, tmp_path: Path
) -> None:
    """A debug page of a proxy, say."""

    async def repeat(request: web.Request) -> web.Response:
        return web.Response(status=500, text=f"{dict(request.headers)}"[-900:] + f" {TOKEN}")

    mounted(secrets, "cloud-ca", {"ca.crt": issuer.ca})
    mounted(secrets, "cloud", {"token": TOKEN.encode()})
    async with recording(repeat, tmp_path / "tls", issuer) as recorder:
        error = await refusal(targets, target(f"https://localhost:{recorder.port}", tls=CA, **CREDENTIALS), QUESTION)
    assert recorder.authorizations == [f"Bearer {TOKEN}"]
    assert TOKEN not in f"{error!r}{error.__cause__!r}{error.__context__!r}"


async def test_nor_does_one_that_speaks_grpc(targets: Targets, secrets: Path, issuer: Issuer, tmp_path: Path) -> None:
    heard: list[str] = []

    async def repeat(_message: bytes, context: Any) -> bytes:
        heard.append(dict(context.invocation_metadata())["authorization"])
        await context.abort(grpc.StatusCode.INTERNAL, f"who is {heard[-1]}?")
        return b""

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    method: Any = grpc.unary_unary_rpc_method_handler(repeat)
    generic = grpc.method_handlers_generic_handler("inference.GRPCInferenceService", {"ModelInfer": method})
    server.add_generic_rpc_handlers((generic,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    mounted(secrets, "cloud-ca", {"ca.crt": issuer.ca})
    mounted(secrets, "cloud", {"token": TOKEN.encode()})
    async with road(port, ending_tls(tmp_path / "tls", issuer.server())) as way:
        error = await refusal(targets, target(f"grpcs://localhost:{way.port}", tls=CA, **CREDENTIALS), QUESTION)
    await server.stop(None)
    assert heard == [f"Bearer {TOKEN}"]
    assert str(error) == "gRPC INTERNAL: who is Bearer ***?"


@BOTH
async def test_over_plain_text_no_credentials_go_out(protocol: str, targets: Targets, secrets: Path) -> None:
    """The API refuses such a target; a plan that somebody edited gets no further."""
    mounted(secrets, "cloud", {"token": TOKEN.encode()})
    async with road(1) as way:
        error = await refusal(targets, target(f"{protocol}://127.0.0.1:{way.port}", **CREDENTIALS), QUESTION)
        assert way.connections == 0
    assert error.result == "unconfigured"
    assert str(error).endswith("is not encrypted: credentials go to https:// and grpcs:// only")


@pytest.fixture
def talkative(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """The log as a device writes it at its most talkative."""
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    logs.configure("DEBUG", as_json=True)
    yield capsys
    root.level, root.handlers[:] = before


@BOTH
async def test_no_repr_and_no_log_line_has_a_secret(
    protocol: str,
    device: Running,
    targets: Targets,
    secrets: Path,
    issuer: Issuer,
    talkative: pytest.CaptureFixture[str],
) -> None:
    """Neither the device that asks nor the one that is asked."""
    mounted(secrets, "cloud-ca", {"ca.crt": issuer.ca})
    mounted(secrets, "cloud", {"token": TOKEN.encode()})
    asked = target(url(device, protocol), tls=CA, **CREDENTIALS)
    desk = Desk(asked, secrets)
    desk.renew()
    assert desk.papers is not None
    assert desk.papers.credentials.token == TOKEN
    await ask(targets, asked, QUESTION)
    logging.getLogger("test").debug("here")
    said = talkative.readouterr().err
    assert "here" in said
    assert TOKEN not in f"{desk.papers!r} {vars(desk)!r} {vars(targets)!r} {said}"
