"""Cloud-only, edge-only and hybrid, asked from one device whose link to the cloud is slow.

Called by tests/bench/hybrid. All three go on in turns against the same pods of the test cluster: the cloud is a real
Triton, asked directly; the device's own answers are those to requests that may not leave it; hybrid is example 03 as it
stands.
"""

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.figures import FOLDER, Figure, Report
from tests.bench.hybrid import drawing
from tests.cluster.progress import say
from tests.stage import examples, traffic
from tests.stage.product import Product, raise_curtain

DEVICE = "pi-0"
ONE_WAY = 0.040  # seconds; a round trip of 80 ms, as over LTE
RATE, IMAGES, ROUNDS = 50.0, 1000, 3
PLOT = FOLDER / "hybrid-comparison.svg"


@dataclass(frozen=True)
class Prices:
    """In USD; another price is another answer, so they come from the environment."""

    core_hour: float = float(os.environ.get("PRICE_CORE_HOUR", "0.05"))
    """Of a core in the cloud, while it computes. An idle one costs as much: this is the least help can cost."""
    gigabyte: float = float(os.environ.get("PRICE_GIGABYTE", "2.00"))
    """Over the device's link, both ways; mobile data."""

    def per_million(self, requests: int, core_seconds: float, carried: float) -> float:
        """carried: bytes."""
        spent = core_seconds / 3600 * self.core_hour + carried / 1e9 * self.gigabyte
        return spent / requests * 1e6


@dataclass
class Way:
    """One way to serve, and what its rounds gave."""

    name: str
    client: traffic.Client
    runs: dict[str, list[float]] = field(default_factory=dict)
    """{quantity: value of each round}."""

    def note(self, **values: float) -> None:
        for quantity, value in values.items():
            self.runs.setdefault(quantity, []).append(value)


def figures(report: Report) -> None:
    product = raise_curtain()
    examples.serve_digits(product)
    examples.cloud_help(product)
    ways = [
        Way("cloud-only", _client(f"http://triton.{product.kubectl.namespace}.svc:8000")),
        Way("edge-only", _client(product.status()["localURL"], private=True)),
        Way("hybrid", _client(product.status()["localURL"])),
    ]
    device = product.cluster[DEVICE]
    device.slow(ONE_WAY)
    try:
        for number in range(ROUNDS):
            for way in ways:
                say(f"round {number + 1} of {ROUNDS}: {way.name}")
                _round(product, way)
    finally:
        device.heal()
    _tell(report, ways)
    titles = [(quantity, f"{title}\n({unit})") for quantity, (title, unit) in QUANTITIES.items()]
    drawing.bars(PLOT, {way.name: way.runs for way in ways}, titles)
    say(f"drew {PLOT}")


QUANTITIES = {
    "p50": ("latency, median", "ms"),
    "p99": ("latency, p99", "ms"),
    "accuracy": ("accuracy, 1,000 held-out digits", "share"),
    "carried": ("carried for a request", "bytes"),
    "cost": ("cost of a million requests", "USD"),
}


def _client(url: str, private: bool = False) -> traffic.Client:
    """Connections are kept: the cloud at its best."""
    return traffic.Client(url, rate=RATE, node=DEVICE, count=IMAGES, keep_alive=True, private=private)


def _round(product: Product, way: Way) -> None:
    """Every held-out image once."""
    name = f"bench-{way.name}"
    client = traffic.start(product.kubectl, product.images["runtime-cpu"], name, way.client)
    began, carried, busy = time.monotonic(), _carried(), _busy(product)
    before = client.answers().sent
    answers = client.finish()
    took, asked = time.monotonic() - began, answers.sent - before
    if answers.failed:
        raise RuntimeError(f"{way.name}: {answers.failed} of {answers.sent} requests failed: {dict(answers.errors)}")
    sent = max(0.0, _carried() - carried - took * _background()) / asked
    way.note(
        p50=answers.percentile(0.5),
        p99=answers.percentile(0.99),
        accuracy=answers.accuracy,
        carried=sent,
        cost=Prices().per_million(1, (_busy(product) - busy) / asked, sent),
        helped=answers.sources["target:cloud"] / answers.answered,
    )


def _carried() -> int:
    """Bytes that the device's wire has carried, both ways, every header counted."""
    counters = Path(f"/sys/class/net/ew-{DEVICE}/statistics")
    return sum(int((counters / name).read_text()) for name in ("rx_bytes", "tx_bytes"))


def _background() -> float:
    """Bytes a second that the wire carries while nobody asks: the kubelet's, the reports'."""
    before, seconds = _carried(), 10.0
    time.sleep(seconds)
    return (_carried() - before) / seconds


def _busy(product: Product) -> float:
    """Seconds that Triton has computed, as it says itself."""
    service = f"/api/v1/namespaces/{product.kubectl.namespace}/services/triton:8000/proxy"
    statistics = json.loads(product.kubectl("get", "--raw", f"{service}/v2/models/digits/stats"))
    return sum(float(model["inference_stats"]["success"]["ns"]) for model in statistics["model_stats"]) / 1e9


def _tell(report: Report, ways: list[Way]) -> None:
    """A figure for each quantity; its value is hybrid's."""
    by_name = {way.name: way.runs for way in ways}
    for quantity, (title, unit) in QUANTITIES.items():
        raw = {name: runs[quantity] for name, runs in by_name.items()}
        report.add(Figure(f"hybrid: {title}", by_name["hybrid"][quantity], unit, raw=raw))
    helped = by_name["hybrid"]["helped"]
    prices = Prices()
    report.settings["comparison"] = (
        f"{IMAGES} digits at {RATE:g}/s from a pod on {DEVICE}, {2000 * ONE_WAY:g} ms round trip to the cloud,"
        f" connections kept; hybrid asked the cloud for {max(helped):.1%}; {prices.core_hour:g} USD a core hour while"
        f" it computes, {prices.gigabyte:g} USD a gigabyte (PRICE_CORE_HOUR, PRICE_GIGABYTE)"
    )
