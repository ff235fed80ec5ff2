"""A cloud that is dead in every way, or far away: who is answered, and when. Called by `make bench-hybrid`.

A real Triton, the faults of tests/cloud/faults.py before it, and devices in processes of their own.
"""

import asyncio
import contextlib
import json
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.api.base import SecretKeyRef
from edgewise.api.escalation import Budget, EscalationWhen, Tls
from edgewise.contract.plan import PlanEscalation, PlanTarget
from edgewise_runtime.escalation.breaker import State
from tests.bench.figures import Figure, Report
from tests.bench.hybrid.edge import LOGITS, NAME, device
from tests.bench.serving.clients import Connection
from tests.bench.serving.messages import HEADER, Message
from tests.bench.serving.processes import prioritised
from tests.bench.serving.timing import over, percentile, seconds_of
from tests.cloud.faults import FAULTS, Between, Fault, between
from tests.cloud.road import ending_tls
from tests.cloud.triton import Triton, started_triton
from tests.cluster.paths import REPOSITORY
from tests.runtime.agent.waiting import until
from tests.runtime.issuer import Issuer
from tests.runtime.serving import Running, numbers, running, served

_MODEL = REPOSITORY / "examples/models/digits/digits-int8-1.1.0.onnx"
_IMAGE = np.random.default_rng(7).random((1, 1, 28, 28), np.float32)
_ASKED = 100  # requests for each way to be dead
_PATIENCE = 0.2  # seconds that a dead cloud gets
_ROUNDS, _EACH = 15, 1000
_AWAY, _STALLED, _DEADLINE = 0.080, 0.400, 0.150
_SCHEMES = {"http": "HTTP", "grpc": "gRPC", "https": "HTTP", "grpcs": "gRPC"}
_TRUST = Tls(ca_secret_ref=SecretKeyRef(name="trust", key="ca.crt"))


def figures(report: Report) -> None:
    with started_triton() as triton:
        asyncio.run(_dead(report, triton))
        with prioritised():
            _breaker_open(report, triton)
            _far_away(report, triton)


async def _dead(report: Report, triton: Triton) -> None:
    """In every way, over both protocols: how many are answered, and how often it is tried."""
    answered, tries = dict[str, list[float]](), dict[str, list[float]]()
    with tempfile.TemporaryDirectory() as folder:
        for scheme in ("http", "grpc"):
            for fault in FAULTS:
                async with between(_address(triton, scheme)) as road:
                    road.fault = fault
                    key = f"{fault}, {_SCHEMES[scheme]}"
                    answered[key], tries[key] = await _asked(_plan(scheme, road, _PATIENCE), Path(folder))
        for scheme in ("https", "grpcs"):
            async with _untrusted(triton, scheme, Path(folder)) as road:
                key = f"bad certificate, {_SCHEMES[scheme]}"
                plan = _plan(scheme, road, _PATIENCE, tls=_TRUST)
                answered[key], tries[key] = await _asked(plan, Path(folder))
    shares, most = [value for [value] in answered.values()], [value for [value] in tries.values()]
    report.add(Figure("cloud dead in every way: answered", shares, "%", "more", 100.0, min, answered))
    report.add(Figure("cloud dead in every way: tries until the breaker opens", most, "", "less", 3.0, max, tries))


async def _asked(plan: PlanEscalation, secrets: Path) -> tuple[list[float], list[float]]:
    """Per cent of requests that got the device's own answer, and questions that left."""
    async with running(served(_MODEL, NAME, confidence=LOGITS), secrets_folder=str(secrets)) as device_:
        device_.server.configure(None, plan)
        body = {"inputs": [numbers("image", _IMAGE)]}
        answers = [await device_.infer(NAME, body) for _ in range(_ASKED)]
        good = [status == 200 and answer["parameters"]["edgewise_source"] == "device" for status, answer in answers]
        escalator = device_.server.plane.escalator
        assert escalator is not None
        await until(lambda: escalator.breakers["cloud"] == State.OPEN, "the breaker is open")
        return [100 * sum(good) / len(good)], [await _left(device_)]


async def _left(device_: Running) -> float:
    """Questions that were tried, by the metrics: everything but those that the open breaker kept."""
    async with device_.http.get(f"http://{device_.addresses.metrics}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    counts = [line for line in lines if line.startswith("edgewise_escalations_total{") and 'result="open"' not in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in counts)


@contextlib.asynccontextmanager
async def _untrusted(triton: Triton, scheme: str, folder: Path) -> AsyncIterator[Between]:
    """A server whose certificate somebody else signed."""
    (folder / "trust").mkdir(exist_ok=True)
    (folder / "trust/ca.crt").write_bytes(Issuer().ca)
    async with between(_address(triton, scheme), ending_tls(folder / "server", Issuer("another").server())) as road:
        yield road


def _breaker_open(report: Report, triton: Triton) -> None:
    """What a cloud that is known to be dead costs requests that would all be asked about."""
    p99: dict[str, list[float]] = {"edge only": [], "breaker open": []}
    with _between(_address(triton, "http"), fault="reset") as road, contextlib.ExitStack() as stack:
        ports = {
            "edge only": stack.enter_context(device(_MODEL)),
            "breaker open": stack.enter_context(device(_MODEL, _plan("http", road, _PATIENCE))),
        }
        asked = {name: _client(stack, port, _message()) for name, port in ports.items()}
        for ask in asked.values():
            for _ in range(200):
                ask()
        for number in range(_ROUNDS):
            for name in sorted(asked, reverse=bool(number % 2)):
                p99[name].append(percentile([seconds_of(asked[name]) * 1000 for _ in range(_EACH)], 0.99))
    ratio = over(p99["breaker open"], p99["edge only"])
    report.add(Figure("p99 with the breaker open / edge-only p99", ratio, "x", "less", 1.10, raw=p99))


def _far_away(report: Report, triton: Triton) -> None:
    """Every request is asked about; the plan would wait for seconds, the client does not."""
    for scheme in ("http", "grpc"):
        with _between(_address(triton, scheme), delay=_AWAY) as road, contextlib.ExitStack() as stack:
            port = stack.enter_context(device(_MODEL, _plan(scheme, road, 5.0)))
            ask = _client(stack, port, _message(timeout=_DEADLINE))
            healthy = [_answers(ask, 50) for _ in range(4)]
            stalling = [_answers(partial(_stalled, road, ask), 25) for _ in range(4)]
        name, limit = _SCHEMES[scheme], (_DEADLINE + 0.005) * 1000
        runs = [percentile(times, 0.99) for times in healthy]
        text = f"p99 with a healthy cloud 80 ms away, deadline 150 ms ({name})"
        report.add(Figure(text, runs, "ms", "less", limit, max))
        text = f"latest answer of a cloud that stalls, deadline 150 ms ({name})"
        report.add(Figure(text, [max(times) for times in stalling], "ms", "less", limit, max))


def _answers(ask: Callable[[], object], count: int) -> list[float]:
    """Milliseconds of each."""
    return [seconds_of(ask) * 1000 for _ in range(count)]


def _stalled(road: Between, ask: Callable[[], object]) -> None:
    """Every second answer comes after the deadline: never three in a row, so that the breaker stays closed."""
    road.delay = _STALLED if road.delay == _AWAY else _AWAY
    ask()


def _client(stack: contextlib.ExitStack, port: int, message: Message) -> Callable[[], bytes]:
    return partial(stack.enter_context(Connection(port)).ask, message)


def _message(timeout: float | None = None) -> Message:
    """Binary; `timeout`: seconds the client waits."""
    tensor = _IMAGE.tobytes()
    item = {"name": "image", "datatype": "FP32", "shape": _IMAGE.shape, "parameters": {"binary_data_size": len(tensor)}}
    head: dict[str, Any] = {"inputs": [item]}
    if timeout is not None:
        head["parameters"] = {"timeout": int(timeout * 1e6)}
    text = json.dumps(head).encode()
    fields = f"Host: bench\r\n{HEADER}: {len(text)}\r\nContent-Length: {len(text) + len(tensor)}\r\n\r\n"
    return Message(f"POST /v2/models/{NAME}/infer HTTP/1.1\r\n{fields}".encode() + text + tensor)


def _plan(scheme: str, road: Between, timeout: float, **target: Any) -> PlanEscalation:
    """Every request is asked about."""
    url = f"{scheme}://127.0.0.1:{road.port}"
    return PlanEscalation(
        targets=[PlanTarget(name="cloud", url=url, **target)],
        when=EscalationWhen(confidence_below="1.0"),
        timeout_seconds=timeout,
        budget=Budget(),
    )


def _address(triton: Triton, scheme: str) -> str:
    return triton.url if scheme.startswith("http") else triton.grpc_url


@contextlib.contextmanager
def _between(target: str, fault: Fault | None = None, delay: float = 0.0) -> Iterator[Between]:
    """In a thread of its own, beside clients that block."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    over_, roads = asyncio.Event(), list[Between]()

    async def stand() -> None:
        async with between(target) as road:
            road.fault, road.delay = fault, delay
            roads.append(road)
            ready.set()
            await over_.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(stand(),))
    thread.start()
    ready.wait()
    try:
        yield roads[0]
    finally:
        loop.call_soon_threadsafe(over_.set)
        thread.join()
        loop.close()
