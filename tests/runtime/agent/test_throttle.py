"""The cap on downloads, in times of the test's own: what passes in any ten seconds, and that nobody waits for ever."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.contract.plan import Build
from edgewise_runtime.agent.cache import Cache, Room
from edgewise_runtime.agent.fetch import Access, Fetcher
from edgewise_runtime.agent.fetch.throttle import CHUNK, LONGEST_SECONDS, Throttle
from edgewise_runtime.agent.stock import Stock
from tests.runtime.agent.documents import source
from tests.runtime.agent.fetching import CONTENT, ROOM
from tests.runtime.agent.fileserver import FileServer


@dataclass
class Download:
    """Reads piece after piece, each as soon as it may."""

    throttle: Throttle
    due: float = 0.0
    passed: list[tuple[float, int]] = field(default_factory=list)
    """(when, bytes)."""

    def go_on(self) -> None:
        size = self.throttle.piece
        self.due += self.throttle.reserve(size, self.due)
        self.passed.append((self.due, size))


def run(downloads: list[Download], seconds: float) -> None:
    """On a link that is as fast as anything."""
    while (first := min(downloads, key=lambda one: one.due)).due < seconds:
        first.go_on()


def throttled(rate: float | None, file: Path | None = None) -> Throttle:
    throttle = Throttle(file)
    throttle.rate = rate
    return throttle


def within(downloads: list[Download], start: float, end: float) -> int:
    return sum(size for one in downloads for when, size in one.passed if start <= when < end)


@given(rate=st.integers(2_000, 50_000_000), start=st.floats(0, 4), count=st.integers(1, 4))
def test_any_ten_seconds_carry_what_the_cap_says_within_five_percent(rate: int, start: float, count: int) -> None:
    throttle = throttled(rate)
    downloads = [Download(throttle) for _ in range(count)]
    run(downloads, 16)
    assert within(downloads, start, start + 10) == pytest.approx(10 * rate, rel=0.05, abs=2 * throttle.piece)


def test_downloads_under_way_together_share_alike(tmp_path: Path) -> None:
    throttle = throttled(200_000)
    downloads = [Download(throttle) for _ in range(3)]
    run(downloads, 30)
    shares = [within([one], 0, 30) for one in downloads]
    assert max(shares) - min(shares) <= 2 * throttle.piece


@pytest.mark.parametrize(
    "file", ["bandwidth", "gone/bandwidth"], ids=["a folder in common", "one that cannot be written"]
)
def test_pods_that_share_a_cache_folder_share_the_cap(tmp_path: Path, file: str) -> None:
    pods = [Download(throttled(100_000, tmp_path / file)) for _ in range(2)]
    run(pods, 10)
    together = 1 if file == "bandwidth" else 2
    assert within(pods, 0, 10) == pytest.approx(together * 1_000_000, rel=0.05)


def test_a_moment_from_before_a_reboot_holds_nobody_up(tmp_path: Path) -> None:
    before = Download(throttled(100_000, tmp_path / "bandwidth"), due=1e6)
    before.go_on()
    assert throttled(100_000, tmp_path / "bandwidth").reserve(1000, 5.0) < LONGEST_SECONDS


def test_an_idle_link_catches_up_on_next_to_nothing() -> None:
    throttle = throttled(100_000)
    throttle.reserve(1, 0.0)
    assert throttle.reserve(100_000, 3600.0) == pytest.approx(0.75)


def test_a_cap_that_is_lifted_lets_everything_pass() -> None:
    throttle = throttled(1000)
    throttle.reserve(5000, 0.0)
    assert (throttle.piece, throttle.window) == (1024, 1024)
    throttle.rate = None
    assert (throttle.piece, throttle.window) == (CHUNK, None)


@pytest.mark.parametrize("rate", [10_000, 100_000, 1_000_000])
def test_servers_may_send_ahead_what_half_a_second_brings_and_no_more(rate: int) -> None:
    window = throttled(rate).window
    assert window is None or window <= max(1024, rate / 2)


async def test_what_is_downloaded_is_counted(
    server: FileServer, access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = list[int]()

    async def spend(_: Throttle, size: int) -> None:
        spent.append(size)

    monkeypatch.setattr(Throttle, "spend", spend)
    fetcher = Fetcher(access, throttled(1_000_000))
    what = Build(
        variant="fp32", format="ONNX", precision="FP32", source=source(server.add("/m", CONTENT), CONTENT), memory=1
    )
    await Stock(Cache(tmp_path), fetcher).obtain(what, Room(ROOM), lambda _: None)
    assert sum(spent) == len(CONTENT)
    assert max(spent) <= fetcher.throttle.piece
