"""A guarded device and tritonclient's gRPC: tokens as metadata, TLS, client certificates, a rate."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio

from edgewise.api.access import RateLimit
from tests.runtime.guarded import TOKEN, guarded, limit
from tests.runtime.issuer import Issuer, Pair
from tests.runtime.serving import Running, ones

pytestmark = [pytest.mark.loops, pytest.mark.usefixtures("looking_often")]
BEARING = {"authorization": f"Bearer {TOKEN}"}


def tensor() -> Any:
    made = triton.InferInput("x", [1, 2], "FP32")
    made.set_data_from_numpy(ones(1, 2))
    return made


async def asked(device: Running, use: Callable[[Any], Any], **options: Any) -> Any:
    """`use(client)` with tritonclient's blocking client, in a thread."""

    def session() -> Any:
        with triton.InferenceServerClient(device.grpc_address, **options) as client:
            return use(client)

    return await asyncio.to_thread(session)


class TestTokens:
    async def test_a_token_travels_as_metadata(self, with_tokens: Running) -> None:
        answer = await asked(with_tokens, lambda client: client.infer("linear", [tensor()], headers=BEARING))
        assert answer.as_numpy("logits").tolist() == [[1, 1]]

    async def test_so_it_does_with_the_asyncio_twin(self, with_tokens: Running) -> None:
        async with triton_aio.InferenceServerClient(with_tokens.grpc_address) as client:
            answer = await client.infer("linear", [tensor()], headers=BEARING)
            assert answer.as_numpy("logits").tolist() == [[1, 1]]

    @pytest.mark.parametrize(
        "use",
        [
            pytest.param(lambda client, **more: client.infer("linear", [tensor()], **more), id="infer"),
            pytest.param(lambda client, **more: client.get_server_metadata(**more), id="server metadata"),
            pytest.param(lambda client, **more: client.get_model_metadata("linear", **more), id="model metadata"),
            pytest.param(
                lambda client, **more: client.get_model_config("nope", **more), id="a model that is not there"
            ),
            pytest.param(lambda client, **more: client.is_model_ready("linear", **more), id="model ready"),
            pytest.param(lambda client, **more: client.get_model_repository_index(**more), id="repository index"),
            pytest.param(lambda client, **more: client.load_model("linear", **more), id="what no device does"),
        ],
    )
    @pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer of-something-else"}], ids=["none", "wrong"])
    async def test_every_method_asks_for_one(
        self, with_tokens: Running, use: Callable[..., Any], headers: dict[str, str]
    ) -> None:
        with pytest.raises(triton.InferenceServerException, match="UNAUTHENTICATED"):
            await asked(with_tokens, lambda client: use(client, headers=headers))

    async def test_health_does_not(self, with_tokens: Running) -> None:
        assert await asked(with_tokens, lambda client: (client.is_server_live(), client.is_server_ready())) == (
            True,
            True,
        )

    @pytest.mark.usefixtures("no_time_passes")
    async def test_http_and_grpc_share_one_rate(self, with_tokens: Running) -> None:
        limit(with_tokens, RateLimit(requests_per_second=1, burst=2))
        async with with_tokens.http.get("/v2", headers=BEARING) as answer:
            assert answer.status == 200
        await asked(with_tokens, lambda client: client.get_server_metadata(headers=BEARING))
        with pytest.raises(triton.InferenceServerException, match="RESOURCE_EXHAUSTED"):
            await asked(with_tokens, lambda client: client.get_server_metadata(headers=BEARING))

    @pytest.mark.usefixtures("no_time_passes")
    async def test_each_request_of_a_stream_counts(self, with_tokens: Running) -> None:
        limit(with_tokens, RateLimit(requests_per_second=1, burst=2))
        answers: queue.Queue[tuple[Any, Any]] = queue.Queue()

        def use(client: Any) -> list[str]:
            client.start_stream(lambda result, error: answers.put((result, error)), headers=BEARING)
            for _ in range(3):
                client.async_stream_infer("linear", [tensor()])
            return [str(answers.get(timeout=10)[1] or "answered") for _ in range(3)]

        first, second, third = await asked(with_tokens, use)
        assert (first, second) == ("answered", "answered")
        assert "more requests than a client may make" in third


class TestClientCertificates:
    async def test_a_client_that_shows_one_is_served_and_counted_by_its_name(
        self, with_both_sides: Running, issuer: Issuer
    ) -> None:
        options = showing(issuer, issuer.client("camera-7"))
        answer = await asked(with_both_sides, lambda client: client.infer("linear", [tensor()]), **options)
        assert answer.as_numpy("logits").tolist() == [[1, 1]]
        assert await with_both_sides.metric('edgewise_admissions_total{client="camera-7",result="admitted"}') == 1

    async def test_one_of_another_ca_or_none_gets_nowhere(self, with_both_sides: Running, issuer: Issuer) -> None:
        for options in (showing(issuer, Issuer().client("camera-7")), showing(issuer)):
            with pytest.raises(triton.InferenceServerException, match="UNAVAILABLE"):
                await asked(with_both_sides, lambda client: client.is_server_live(), **options)

    async def test_plain_text_is_not_answered(self, with_both_sides: Running) -> None:
        with pytest.raises(triton.InferenceServerException, match="UNAVAILABLE"):
            await asked(with_both_sides, lambda client: client.is_server_live())


async def test_a_device_that_waits_for_its_certificate_opens_both_ports_when_it_comes(
    tmp_path: Path, issuer: Issuer
) -> None:
    folder = tmp_path / "digits-tls"
    folder.mkdir()
    async with guarded(tmp_path, certificate_folder=str(folder)) as device:
        with pytest.raises(triton.InferenceServerException):
            await asked(device, lambda client: client.is_server_ready(), **showing(issuer))
        async with device.http.get(f"http://127.0.0.1:{device.server.metrics_port}/readyz") as answer:
            assert answer.status == 503
        issuer.server().write(folder)
        async with asyncio.timeout(20):
            while not await ready(device, issuer):
                await asyncio.sleep(0.05)


async def ready(device: Running, issuer: Issuer) -> bool:
    try:
        return bool(await asked(device, lambda client: client.is_server_ready(), **showing(issuer)))
    except triton.InferenceServerException:
        return False


def showing(issuer: Issuer, client: Pair | None = None) -> dict[str, Any]:
    """tritonclient's options: whom to trust, and what to show."""
    key, chain = (client.key, client.certificate) if client else (None, None)
    return {"creds": grpc.ssl_channel_credentials(issuer.ca, key, chain)}
