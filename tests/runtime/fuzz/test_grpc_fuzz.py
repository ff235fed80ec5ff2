"""A thousand spoilt gRPC requests with a fixed seed; make bench-serving goes on with fifteen thousand."""

from __future__ import annotations

from random import Random

import grpc.aio

from tests.runtime.fuzz.device import FuzzedDevice
from tests.runtime.fuzz.grpc_inputs import good, spoilt
from tests.runtime.fuzz.grpc_verdict import INFER, complaints


async def test_good_requests_are_answered(fuzzed: FuzzedDevice) -> None:
    inputs = [good(Random(seed)).SerializeToString() for seed in range(100)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{fuzzed.grpc_port}") as channel:
        for raw in inputs:
            await channel.unary_unary(INFER)(raw, timeout=30)
    assert await complaints(fuzzed.grpc_port, inputs) == []


async def test_spoilt_requests_are_refused_or_answered_rightly(fuzzed: FuzzedDevice) -> None:
    random = Random(1)
    assert await complaints(fuzzed.grpc_port, (spoilt(random) for _ in range(1000))) == []
