"""What engines keep for the next request is given back, and a pod's memory limit is known to ONNX Runtime."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgewise_runtime.engines import memory
from edgewise_runtime.idle import give_back_when_idle
from tests.runtime.enginekinds import KINDS, Kind, rows

MIB = 2**20

# Each in a process of its own: memory that one test leaves behind would hide what another does.
VARIED = """
import json, sys
from pathlib import Path
import numpy as np
from tests.runtime.enginekinds import KINDS
from edgewise_runtime.engines import memory

def private():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) * 1024

memory.arrange_heap()  # as the runtime does: glibc by itself keeps a large block at the end of a thread's heap
session = KINDS[sys.argv[1]].load(Path(sys.argv[2]))
def run(rows):
    session.run({"x": np.ones((rows, 4), np.float32)}, ["twice", "thrice"])
run(10)
memory.release()
before = private()
for rows in np.random.default_rng(0).integers(10_000, 1_000_000, 20):
    run(int(rows))
run(10)
grown = private()
memory.release()
released = private()
run(1_000)
session.close()
memory.release()
json.dump([before, grown, released, private()], sys.stdout)
"""


KEPT = {"ONNX Runtime": 8, "LiteRT": 8, "OpenVINO with ONNX": 40, "OpenVINO with its IR": 40}  # MiB; outputs: 2 x 16 MB
ARENAS = {"ONNX Runtime", "LiteRT"}
"""Engines that grow by more than that, and give it back when told to."""


@pytest.mark.parametrize("kind", KEPT)
def test_memory_is_back_after_many_sizes_and_when_a_session_is_closed(kind: str, tmp_path: Path) -> None:
    path = KINDS[kind].sums(tmp_path)
    before, grown, released, closed = json.loads(_run(VARIED, kind, str(path)))
    assert released - before < KEPT[kind] * MIB, (before, grown, released)
    assert kind not in ARENAS or released < grown - 10 * MIB
    assert closed - before < 8 * MIB


BOUNDED = """
import sys
from pathlib import Path
import numpy as np
from edgewise_runtime.engines import memory
memory._LIMIT = Path(sys.argv[2])
from edgewise_runtime.engines.base import InputRefusedError
from tests.runtime.enginekinds import KINDS

session = KINDS["ONNX Runtime"].load(Path(sys.argv[1]))
def run(rows):
    return session.run({"x": np.ones((rows, 4), np.float32)}, ["twice", "thrice"])[1].sum()
for rows in np.random.default_rng(0).integers(10_000, 1_500_000, 60):  # at most 48 MB of the arena: always possible
    assert run(int(rows)) == 12 * rows
try:
    run(20_000_000)
except InputRefusedError as error:
    print(error)
assert run(10) == 120
"""


def test_a_request_that_would_take_the_pod_over_its_limit_is_refused_and_no_other_is(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text(str(300 * MIB))
    said = _run(BOUNDED, str(KINDS["ONNX Runtime"].sums(tmp_path)), str(limit))
    assert "takes more memory than this device has" in said


LIMITS = {"max": 0, "nonsense": 0, str(64 * MIB): 32 * MIB, str(2**40): 2**40}


@pytest.mark.parametrize("limit", LIMITS)
def test_room_is_what_the_cgroup_leaves(limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text(limit)
    monkeypatch.setattr(memory, "_LIMIT", tmp_path / "memory.max")
    assert LIMITS[limit] - 2**31 < memory.room() <= LIMITS[limit]


class Asked:
    """As much of a data plane as matters here."""

    def __init__(self) -> None:
        self.last_request, self.in_flight = 0.0, 0


class Counted:
    """Holds nothing, and counts how often it was asked for it."""

    def __init__(self) -> None:
        self.times = asyncio.Semaphore(0)
        self._loop = asyncio.get_running_loop()

    def release(self) -> None:
        self._loop.call_soon_threadsafe(self.times.release)


async def test_memory_is_given_back_once_after_each_time_of_requests() -> None:
    plane, holder = Asked(), Counted()
    memory.held_by(holder)
    idle = asyncio.ensure_future(give_back_when_idle(plane, seconds=0.01))
    await asyncio.wait_for(holder.times.acquire(), 20)  # what was only needed to start
    plane.last_request, plane.in_flight = 1.0, 1
    await asyncio.sleep(0.1)  # ten looks at least: neither while a request runs, nor twice
    assert holder.times.locked()
    plane.in_flight = 0
    await asyncio.wait_for(holder.times.acquire(), 20)
    idle.cancel()


def test_a_model_may_be_loaded_while_memory_is_given_back() -> None:
    class Holder:
        def release(self) -> None:
            """Nothing to give back."""

    many, more = [Holder() for _ in range(20_000)], [Holder() for _ in range(50)]  # many: so that it takes a while
    for holder in many:
        memory.held_by(holder)

    def load() -> None:
        for holder in more:
            memory.held_by(holder)
            time.sleep(0)

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load)
        while not loading.done():
            memory.release()
    loading.result()


def _run(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def test_an_engine_that_is_not_asked_for_is_not_imported(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from tests.runtime.tinyonnx import echo
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions
load(echo(Path(sys.argv[1]), "FP32", ["n"]), "ONNX", EngineOptions())
print([name for name in ("openvino", "ai_edge_litert", "PIL", "grpc") if name in sys.modules])
"""
    assert _run(code, str(tmp_path)).strip() == "[]"


@pytest.mark.parametrize("kind", [KINDS["LiteRT"], KINDS["OpenVINO with ONNX"]], ids=["LiteRT", "OpenVINO"])
def test_memory_is_given_back_while_requests_run(kind: Kind, tmp_path: Path) -> None:
    session = kind.load(kind.sums(tmp_path))

    def ask(number: int) -> bool:
        if number % 7 == 0:
            memory.release()
        (twice,) = session.run({"x": rows(number)}, ["twice"])
        return bool((twice == rows(number) * 2).all())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(1, 120)))
    session.close()
    memory.release()
