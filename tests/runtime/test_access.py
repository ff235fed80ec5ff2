"""A guarded device, with real sockets and the clients that people have: tritonclient over HTTP and gRPC, curl."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio

from edgewise.api.access import RateLimit
from edgewise_runtime.ports import handshakes
from tests.runtime.agent.waiting import until
from tests.runtime.guarded import TOKEN, by_certificate, curl, guarded, limit
from tests.runtime.issuer import Issuer, Pair
from tests.runtime.serving import Running, ones

pytestmark = [pytest.mark.loops, pytest.mark.usefixtures("looking_often")]
BEARING = {"Authorization": f"Bearer {TOKEN}"}  # tritonclient writes into what it is given: it gets copies
PATHS = ["/v2", "/v2/models", "/v2/models/linear", "/v2/models/nope", "/v2/models/linear/ready", "/v2/nowhere", "/"]


@pytest.fixture
async def with_tls(tmp_path: Path, issuer: Issuer) -> AsyncIterator[Running]:
    async with guarded(tmp_path, **by_certificate(tmp_path, issuer)) as device:
        yield device


def tensor() -> Any:
    made = triton.InferInput("x", [1, 2], "FP32")
    made.set_data_from_numpy(ones(1, 2))
    return made


class TestTokens:
    @pytest.mark.parametrize("path", PATHS)
    async def test_every_path_asks_for_a_token_also_those_that_do_not_exist(
        self, with_tokens: Running, path: str
    ) -> None:
        async with with_tokens.http.get(path) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert "Authorization: Bearer" in (await answer.json())["error"]

    @pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready"])
    async def test_health_does_not(self, with_tokens: Running, path: str) -> None:
        async with with_tokens.http.get(path) as answer:
            assert answer.status == 200

    async def test_a_body_is_not_waited_for_before_its_client_is_known(self, with_tokens: Running) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", with_tokens.server.http_port)
        writer.write(b"POST /v2/models/linear/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
        writer.close()

    async def test_two_authorization_headers_are_refused(self, with_tokens: Running) -> None:
        headers = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer of-something-else-here")]
        async with with_tokens.http.get("/v2", headers=headers) as answer:
            assert answer.status in (400, 401)

    async def test_tritonclient_sends_it_as_a_header(self, with_tokens: Running) -> None:
        def session() -> None:
            with triton.InferenceServerClient(with_tokens.address) as client:
                assert client.is_server_ready()
                assert client.infer("linear", [tensor()], headers=dict(BEARING)).as_numpy("logits").tolist() == [[1, 1]]
                with pytest.raises(triton.InferenceServerException, match="token"):
                    client.infer("linear", [tensor()])

        await asyncio.to_thread(session)

    async def test_so_does_its_asyncio_twin(self, with_tokens: Running) -> None:
        async with triton_aio.InferenceServerClient(with_tokens.address) as client:
            assert (await client.get_model_metadata("linear", headers=dict(BEARING)))["name"] == "linear"

    async def test_curl_as_in_the_docs(self, with_tokens: Running) -> None:
        url = f"http://{with_tokens.address}/v2/models/linear"
        assert await curl("-H", f"Authorization: Bearer {TOKEN}", url) == "200"
        assert await curl("--oauth2-bearer", TOKEN, url) == "200"
        assert await curl(url) == "401"
        assert await curl("-u", f"camera:{TOKEN}", url) == "401"

    async def test_who_asks_and_what_came_of_it_is_counted(self, with_tokens: Running) -> None:
        for headers in (BEARING, BEARING, {}):
            async with with_tokens.http.get("/v2", headers=headers):
                pass
        assert await with_tokens.metric('edgewise_admissions_total{client="camera",result="admitted"}') == 2
        assert await with_tokens.metric('edgewise_admissions_total{client="",result="unauthorized"}') == 1

    async def test_a_secret_that_is_taken_away_takes_the_device_out_of_its_service(
        self, with_tokens: Running, tmp_path: Path
    ) -> None:
        (tmp_path / "clients" / "camera").unlink()
        await until(lambda: not with_tokens.server.access.ready, "the door is shut")
        metrics = f"http://127.0.0.1:{with_tokens.server.metrics_port}"
        for url, status in (("/v2/health/ready", 503), (f"{metrics}/readyz", 503), (f"{metrics}/healthz", 200)):
            async with with_tokens.http.get(url, headers=BEARING) as answer:
                assert answer.status == status
        async with with_tokens.http.get("/v2", headers=BEARING) as answer:
            assert answer.status == 503
            assert "clients" not in await answer.text()


class TestTls:
    async def test_tritonclient_over_https(self, with_tls: Running, issuer: Issuer, tmp_path: Path) -> None:
        def session() -> None:
            with triton.InferenceServerClient(
                with_tls.address, ssl=True, ssl_options={"ca_certs": ca_file(issuer, tmp_path)}
            ) as client:
                assert client.is_server_ready()
                assert client.infer("linear", [tensor()]).as_numpy("logits").tolist() == [[1, 1]]

        await asyncio.to_thread(session)

    async def test_large_tensors_come_through_whole_in_both_directions(
        self, with_tls: Running, issuer: Issuer, tmp_path: Path
    ) -> None:
        many = np.arange(2_000_000, dtype=np.float32).reshape(-1, 2)
        made = triton.InferInput("x", list(many.shape), "FP32")
        made.set_data_from_numpy(many)

        def session() -> None:
            with triton.InferenceServerClient(
                with_tls.address, ssl=True, ssl_options={"ca_certs": ca_file(issuer, tmp_path)}
            ) as client:
                assert (client.infer("linear", [made]).as_numpy("logits") == many).all()

        await asyncio.to_thread(session)

    async def test_curl_over_https(self, with_tls: Running, issuer: Issuer, tmp_path: Path) -> None:
        port = with_tls.server.http_port
        ca = ca_file(issuer, tmp_path)
        assert await curl("--cacert", ca, f"https://localhost:{port}/v2") == "200"
        assert await curl("--cacert", ca, f"https://127.0.0.1:{port}/v2") == "200"
        assert await curl(f"https://localhost:{port}/v2") == "000"  # not trusted

    async def test_plain_text_is_not_answered(self, with_tls: Running) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", with_tls.server.http_port)
        writer.write(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert b"HTTP/1.1" not in await asyncio.wait_for(reader.read(), 10)
        writer.close()

    async def test_connections_that_never_shake_hands_take_only_so_much(
        self, with_tls: Running, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """asyncio holds 50 to 300 KiB for each, and tells nobody of it before the handshake."""
        monkeypatch.setattr(handshakes, "MOST", 8)
        port = with_tls.server.http_port
        with contextlib.ExitStack() as crowd:  # all at the door before the server's loop gets to run
            silent = [crowd.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(20)]
            for number in range(12):
                with contextlib.suppress(ConnectionError):
                    assert await asyncio.to_thread(silent[number].recv, 1) == b""
            assert await curl("--cacert", ca_file(issuer, tmp_path), f"https://localhost:{port}/v2") == "200"

    async def test_probes_and_metrics_stay_plain(self, with_tls: Running) -> None:
        for path in ("healthz", "readyz", "metrics"):
            async with with_tls.http.get(f"http://127.0.0.1:{with_tls.server.metrics_port}/{path}") as answer:
                assert answer.status == 200

    async def test_an_open_connection_outlives_the_renewal_of_the_certificate(
        self, with_tls: Running, issuer: Issuer, tmp_path: Path
    ) -> None:
        successor = Issuer("next CA")
        address = f"https://{with_tls.address}"
        async with aiohttp.ClientSession(address, connector=connector(issuer)) as old:
            async with old.get("/v2") as answer:
                assert answer.status == 200
            successor.server().write(tmp_path / "digits-tls")
            await until_trusted(address, successor)
            async with old.get("/v2") as answer:
                assert answer.status == 200
        async with aiohttp.ClientSession(address, connector=connector(issuer)) as new:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await new.get("/v2")

    async def test_draining_ends_tls_connections_in_time(self, with_tls: Running, issuer: Issuer) -> None:
        async with aiohttp.ClientSession(f"https://{with_tls.address}", connector=connector(issuer)) as http:
            async with http.get("/v2") as answer:
                assert answer.status == 200
            await asyncio.wait_for(with_tls.server.drain(600.0), 30)


class TestClientCertificates:
    async def test_tritonclient_shows_one(self, with_both_sides: Running, issuer: Issuer, tmp_path: Path) -> None:
        folder = issuer.client("camera-7").write(tmp_path / "camera")
        options = {
            "ca_certs": ca_file(issuer, tmp_path),
            "certfile": str(folder / "tls.crt"),
            "keyfile": str(folder / "tls.key"),
        }

        def session() -> None:
            with triton.InferenceServerClient(with_both_sides.address, ssl=True, ssl_options=options) as client:
                assert client.infer("linear", [tensor()]).as_numpy("logits").tolist() == [[1, 1]]

        await asyncio.to_thread(session)
        assert await with_both_sides.metric('edgewise_admissions_total{client="camera-7",result="admitted"}') == 1

    async def test_curl_shows_one_and_without_it_gets_nothing(
        self, with_both_sides: Running, issuer: Issuer, tmp_path: Path
    ) -> None:
        folder = issuer.client("camera-7").write(tmp_path / "camera")
        url, trust = f"https://localhost:{with_both_sides.server.http_port}/v2/health/live", ca_file(issuer, tmp_path)
        shown = ("--cert", str(folder / "tls.crt"), "--key", str(folder / "tls.key"))
        assert await curl("--cacert", trust, *shown, url) == "200"
        assert await curl("--cacert", trust, url) == "000"

    async def test_a_stranger_leaves_no_trace_in_the_log(
        self, with_both_sides: Running, issuer: Issuer, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with aiohttp.ClientSession(f"https://{with_both_sides.address}", connector=connector(issuer)) as http:
            with pytest.raises(aiohttp.ClientError):
                await http.get("/v2")
        assert caplog.text == ""

    @pytest.mark.usefixtures("no_time_passes")
    async def test_each_has_a_rate_of_its_own(self, with_both_sides: Running, issuer: Issuer, tmp_path: Path) -> None:
        limit(with_both_sides, RateLimit(requests_per_second=1))
        for name, statuses in (("camera", [200, 429]), ("gate", [200, 429])):
            showing = connector(issuer, issuer.client(name), tmp_path / name)
            async with aiohttp.ClientSession(f"https://{with_both_sides.address}", connector=showing) as http:
                answers = [await http.get("/v2") for _ in statuses]
                assert [answer.status for answer in answers] == statuses


def ca_file(issuer: Issuer, tmp_path: Path) -> str:
    path = tmp_path / "trusted.crt"
    path.write_bytes(issuer.ca)
    return str(path)


def trusting(issuer: Issuer) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=issuer.ca.decode())


def connector(issuer: Issuer, client: Pair | None = None, folder: Path | None = None) -> aiohttp.TCPConnector:
    context = trusting(issuer)
    if client is not None and folder is not None:
        client.write(folder)
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return aiohttp.TCPConnector(ssl=context)


async def until_trusted(address: str, issuer: Issuer) -> None:
    """Asks until the server shows a certificate of this issuer."""
    async with asyncio.timeout(30):
        while True:
            async with aiohttp.ClientSession(address, connector=connector(issuer)) as http:
                with contextlib.suppress(aiohttp.ClientConnectorCertificateError):
                    async with http.get("/v2/health/live"):
                        return
