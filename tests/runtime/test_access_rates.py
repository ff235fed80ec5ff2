"""How often a client may ask: the arithmetic of it, then a device that holds to it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.api.access import RateLimit
from edgewise_runtime.access.rates import Rates
from tests.runtime.guarded import TOKEN, by_token, guarded, limit
from tests.runtime.serving import Running

SECOND = 1_000_000_000
START = 5_000 * SECOND  # of a clock that has been running for a while
BEARING = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def with_tokens(tmp_path: Path) -> AsyncIterator[Running]:
    async with guarded(tmp_path, **by_token(tmp_path)) as device:
        yield device


@given(
    per_second=st.integers(1, 2_000),
    burst=st.integers(1, 200),
    pauses=st.lists(st.one_of(st.just(0), st.integers(0, 3 * SECOND), st.integers(0, SECOND // 1_000)), max_size=300),
)
def test_no_client_ever_gets_more_than_its_burst_and_the_rate_since(
    per_second: int, burst: int, pauses: list[int]
) -> None:
    rates, now, admitted = Rates(per_second, burst), START, []
    for pause in pauses:
        now += pause
        if rates.take("camera", now) == 0:
            admitted.append(now)
    for first, began in enumerate(admitted):
        for last in range(first, len(admitted)):
            seconds_times_rate = (admitted[last] - began) * per_second
            assert (last - first + 1 - burst) * SECOND <= seconds_times_rate


@given(per_second=st.integers(1, 5_000), burst=st.integers(1, 50), tries=st.lists(st.integers(0, SECOND), max_size=60))
def test_who_waits_as_long_as_it_was_told_is_admitted(per_second: int, burst: int, tries: list[int]) -> None:
    rates, now = Rates(per_second, burst), START
    for pause in tries:
        now += pause
        wait = rates.take("camera", now)
        if wait:
            now += round(wait * SECOND) + 1
            assert rates.take("camera", now) == 0


def test_the_rate_is_reached_and_not_only_never_passed() -> None:
    rates = Rates(per_second=50, burst=5)
    admitted = sum(rates.take("camera", START + tick * SECOND // 1_000) == 0 for tick in range(10_000))
    assert admitted == 50 * 10 + 5 - 1


def test_after_a_pause_as_many_as_the_burst_may_come_at_once() -> None:
    rates = Rates(per_second=10, burst=3)
    assert [rates.take("camera", START) == 0 for _ in range(5)] == [True, True, True, False, False]
    later = START + 60 * SECOND
    assert [rates.take("camera", later) == 0 for _ in range(5)] == [True, True, True, False, False]


def test_asking_too_early_costs_nothing() -> None:
    rates = Rates(per_second=1, burst=1)
    assert rates.take("camera", START) == 0
    for _ in range(1_000):
        assert rates.take("camera", START + SECOND // 2) == 0.5
    assert rates.take("camera", START + SECOND) == 0


def test_one_client_takes_nothing_from_another() -> None:
    rates = Rates(per_second=1, burst=1)
    assert rates.take("camera", START) == 0
    assert rates.take("camera", START) > 0
    assert rates.take("gate", START) == 0


def test_a_crowd_is_forgotten_in_the_order_in_which_it_last_asked_and_never_grows_the_memory() -> None:
    rates = Rates(per_second=1, burst=1, kept=3)
    for client in ("a", "b", "c"):
        rates.take(client, START)
    rates.take("a", START)  # asks on, and so is remembered
    for client in (f"stranger-{number}" for number in range(2)):
        rates.take(client, START)
    assert len(rates) == 3
    assert rates.take("a", START) > 0
    assert rates.take("b", START) == 0


@pytest.mark.loops
@pytest.mark.usefixtures("no_time_passes")
class TestOnARealDevice:
    async def test_a_client_that_asks_too_often_is_told_when_to_come_back(self, with_tokens: Running) -> None:
        limit(with_tokens, RateLimit(requests_per_second=1, burst=3))
        statuses = []
        for _ in range(4):
            async with with_tokens.http.get("/v2", headers=BEARING) as answer:
                statuses.append(answer.status)
                told = (await answer.json()).get("error", "")
        assert statuses == [200, 200, 200, 429]
        assert answer.headers["Retry-After"] == "1"
        assert re.search(r"the next one in [\d.]+ s", told) is not None

    async def test_health_is_free_and_the_metrics_port_too(self, with_tokens: Running) -> None:
        limit(with_tokens, RateLimit(requests_per_second=1))
        for _ in range(5):
            for url in ("/v2/health/ready", f"http://127.0.0.1:{with_tokens.server.metrics_port}/healthz"):
                async with with_tokens.http.get(url) as answer:
                    assert answer.status == 200

    async def test_without_tokens_the_address_counts(self, tmp_path: Path) -> None:
        async with guarded(tmp_path) as device:
            limit(device, RateLimit(requests_per_second=1, burst=2))
            answers = [await device.infer("linear", {"inputs": []}) for _ in range(3)]
            assert [status for status, _ in answers] == [400, 400, 429]

    async def test_a_plan_without_a_rate_lifts_it(self, tmp_path: Path) -> None:
        async with guarded(tmp_path) as device:
            limit(device, RateLimit(requests_per_second=1))
            limit(device, None)
            for _ in range(5):
                async with device.http.get("/v2") as answer:
                    assert answer.status == 200
