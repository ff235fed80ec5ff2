"""gRPC's HTTP/2 is our own: a thousand connections that break its rules, and the clients after them are served."""

from __future__ import annotations

from random import Random

from tests.runtime.fuzz import grpc_inputs, grpc_verdict
from tests.runtime.fuzz.device import FuzzedDevice
from tests.runtime.fuzz.http2_inputs import PREFACE, good, spoilt
from tests.runtime.fuzz.http2_verdict import complaints


async def test_connections_that_break_the_rules_end(fuzzed: FuzzedDevice) -> None:
    random = Random(1)
    assert await complaints(fuzzed.grpc_port, (spoilt(random) for _ in range(1000))) == []


async def test_a_call_written_by_hand_is_answered(fuzzed: FuzzedDevice) -> None:
    raw = [PREFACE + b"".join(frame.raw() for frame in good(Random(seed))) for seed in range(20)]
    assert await complaints(fuzzed.grpc_port, raw) == []


async def test_the_next_client_is_served(fuzzed: FuzzedDevice) -> None:
    inputs = [grpc_inputs.good(Random(seed)).SerializeToString() for seed in range(20)]
    assert await grpc_verdict.complaints(fuzzed.grpc_port, inputs) == []
