"""A few thousand spoilt requests with fixed seeds; make bench-serving goes on with a hundred thousand."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.runtime.fuzz import http_reference
from tests.runtime.fuzz.device import FuzzedDevice
from tests.runtime.fuzz.mutations import spoilt
from tests.runtime.fuzz.requests import good
from tests.runtime.fuzz.verdict import Answer, complaint
from tests.runtime.fuzz.wire import answer_to, complaints


async def test_good_requests_are_answered_with_what_they_held(fuzzed: FuzzedDevice) -> None:
    for seed in range(200):
        raw = good(Random(seed)).raw()
        answer = await answer_to(fuzzed.http_port, raw)
        assert answer is not None
        assert answer.status == 200, (raw, answer)
        assert complaint(raw, answer) is None


@pytest.mark.parametrize("seed", range(4))
async def test_spoilt_requests_are_refused_or_answered_rightly(seed: int, fuzzed: FuzzedDevice) -> None:
    random = Random(seed)
    assert await complaints(fuzzed.http_port, (spoilt(random) for _ in range(500))) == []


@settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_hypothesis_finds_nothing_either(random: Random, fuzzed: FuzzedDevice) -> None:
    """Its chance can be made small: what it finds is the least that is wrong."""
    assert asyncio.run(complaints(fuzzed.http_port, [spoilt(random)])) == []


def test_the_judge_sees_what_is_wrong() -> None:
    """What a fuzzer finds is worth what its judge notices."""
    raw = good(Random(4)).raw()
    assert http_reference.read(raw).path.endswith("/infer")
    for answer, expected in [
        (None, "no answer"),
        (Answer(500, {}, b"{}"), "status 500"),
        (Answer(400, {}, b"no"), "without an error"),
        (Answer(400, {}, b'{"error": ""}'), "says nothing"),
        (Answer(200, {}, b""), "cannot be read"),
    ]:
        assert expected in (complaint(raw, answer) or "")


async def test_the_judge_sees_wrong_numbers(fuzzed: FuzzedDevice) -> None:
    raw = good(Random(3)).raw()
    answer = await answer_to(fuzzed.http_port, raw)
    assert complaint(raw, answer) is None
    another = raw[:-1] + bytes([raw[-1] ^ 1])  # its last byte is a tensor's
    assert "became" in (complaint(another, answer) or "")
