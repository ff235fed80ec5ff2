"""A hundred thousand inputs nobody sends on purpose; the tools and the judge are tests/runtime/fuzz."""

import asyncio
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st

from tests.bench.figures import FOLDER, Figure, Report
from tests.bench.serving.consumption import private_memory
from tests.bench.serving.processes import program
from tests.cluster.progress import say, step
from tests.runtime.fuzz import grpc_inputs, grpc_verdict, http2_inputs, http2_verdict, mutations, openapi, wire
from tests.runtime.fuzz.device import FuzzedDevice, fuzzed_device

SEED = 20261121
HTTP, GRPC, HTTP2, HYPOTHESIS, ATHERIS, OPENAPI_EACH = 45_000, 15_000, 10_000, 5_000, 25_000, 100
WARM_UP = 3_000
KEPT = FOLDER / "fuzz"
"""What is found, smallest first, and the device's log."""
Complaints = list[tuple[bytes, str]]


def fuzz(report: Report) -> None:
    """Each tool against the same device; atheris against the decoder alone."""
    sent: Counter[str] = Counter()
    found: Complaints = []
    shutil.rmtree(KEPT, ignore_errors=True)  # what an earlier run found
    KEPT.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder, fuzzed_device(Path(folder)) as device:
        _warm_up(device)
        before = private_memory(device.pid)
        for name, (count, use) in _tools(device).items():
            with step(f"{count} inputs by {name}"):
                wrong, number = use(count)
            found += wrong
            sent[name] = number
        _warm_up(device)
        after = private_memory(device.pid)
        outcries = device.outcries()
        shutil.copy(device.log, KEPT / "device.log")
    sent["atheris"], crashed = _atheris(ATHERIS)
    _keep(found)
    report.settings["fuzz"] = ", ".join(f"{name} {count}" for name, count in sent.items())
    report.add(Figure("fuzzed inputs", [sent.total()], "inputs", "more", 100_000))
    report.add(
        Figure("fuzzed: crashes, 5xx, hangs, wrong numbers", [len(found) + len(outcries) + crashed], "finds", limit=0)
    )
    raw = {"before": [before], "after": [after]}
    report.add(Figure("fuzzed: private memory after / before", [after / before], "x", limit=1.05, raw=raw))


def _tools(device: FuzzedDevice) -> dict[str, tuple[int, Callable[[int], tuple[Complaints, int]]]]:
    return {
        "spoilt HTTP requests": (HTTP, lambda count: (_http(device, count, Random(SEED)), count)),
        "hypothesis": (HYPOTHESIS, lambda count: (_hypothesis(device, count), count)),
        "schemathesis": (OPENAPI_EACH, lambda count: _openapi(device, count)),
        "spoilt gRPC requests": (GRPC, lambda count: (_grpc(device, count, Random(SEED)), count)),
        "spoilt HTTP/2 connections": (HTTP2, lambda count: (_http2(device, count, Random(SEED)), count)),
    }


def _warm_up(device: FuzzedDevice) -> None:
    """What it does before each look at its memory: gRPC is only loaded when somebody asks by it."""
    _http(device, WARM_UP, Random(SEED - 1))
    _grpc(device, WARM_UP, Random(SEED - 1))
    _http2(device, WARM_UP, Random(SEED - 1))


def _http(device: FuzzedDevice, count: int, random: Random) -> Complaints:
    return asyncio.run(wire.complaints(device.http_port, _some(mutations.spoilt, count, random), at_once=128))


def _grpc(device: FuzzedDevice, count: int, random: Random) -> Complaints:
    return asyncio.run(grpc_verdict.complaints(device.grpc_port, _some(grpc_inputs.spoilt, count, random)))


def _http2(device: FuzzedDevice, count: int, random: Random) -> Complaints:
    return asyncio.run(
        http2_verdict.complaints(device.grpc_port, _some(http2_inputs.spoilt, count, random), at_once=64)
    )


def _some(make: Callable[[Random], bytes], count: int, random: Random) -> Iterable[bytes]:
    return (make(random) for _ in range(count))


def _hypothesis(device: FuzzedDevice, count: int) -> Complaints:
    """Chance is hypothesis': it aims, and makes what it finds small."""
    found: Complaints = []

    @hypothesis_seed(SEED)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(st.randoms(use_true_random=False))
    def look(random: Random) -> None:
        wrong = asyncio.run(wire.complaints(device.http_port, [mutations.spoilt(random)]))
        found[:] = wrong or found
        assert not wrong

    try:
        look()
    except AssertionError:
        say(f"hypothesis: {found}")
    return found


def _openapi(device: FuzzedDevice, examples: int) -> tuple[Complaints, int]:
    try:
        return [], openapi.send(device.http_port, examples, SEED)
    except openapi.BrokenPromiseError as error:
        return [(b"schemathesis", str(error))], 0


def _atheris(runs: int) -> tuple[int, int]:
    """(inputs tried, finds): it looks for new ways through the decoder, in a process of its own."""
    argv = [f"-runs={runs}", f"-seed={SEED}", f"-artifact_prefix={KEPT}/"]
    done = subprocess.run(
        program("tests.runtime.fuzz.atheris_target", *argv), capture_output=True, text=True, check=False
    )
    if done.returncode:
        say(done.stderr[-3000:])
    return runs, int(done.returncode != 0)


def _keep(found: Complaints) -> None:
    for number, (raw, wrong) in enumerate(sorted(found, key=lambda find: len(find[0]))[:50]):
        (KEPT / f"find-{number}").write_bytes(raw)
        if number < 10:
            say(f"{wrong}\n  {raw[:300]!r}")
