"""A disk that is really full: a file system of 1 MiB, filled to the last byte under a server that goes on answering."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest

from edgewise.api.confidence import Confidence
from edgewise.api.escalation import Budget, EscalationWhen
from edgewise.contract.plan import PlanEscalation
from edgewise_runtime.spool import spool as spools
from edgewise_runtime.spool.sink import Way
from edgewise_runtime.spool.spool import Home, Spool
from tests.runtime import tinyonnx
from tests.runtime.agent.waiting import until
from tests.runtime.serving import Running, numbers, running, served
from tests.runtime.spool.examples import ORIGIN, example, files, wanted

SIZE = 2**20
HARD = [[1.0, 0.0]]


@pytest.fixture(autouse=True)
def restless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "REST_CPU", 0)
    monkeypatch.setattr(spools, "REST_FULL", 0)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Where 1 MiB fits; gone after the test."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"mounting needs root: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(disk: Path) -> Path:
    """To the last byte."""
    filler = disk / "somebody-elses"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return filler


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[Running]:
    model = tinyonnx.linear(tmp_path, np.eye(2) / 10, "digits")
    async with running(served(model, "digits", "1", Confidence(output="logits"))) as device:
        plan = PlanEscalation(
            targets=[{"name": "cloud", "url": "http://127.0.0.1:9"}],
            when=EscalationWhen(confidence_below="0.85"), timeout_seconds=1.0, budget=Budget(ratio="0"),
        )  # fmt: skip
        device.server.configure(None, plan)
        yield device


async def ask(device: Running, times: int) -> None:
    """Hard requests, all of which are answered."""
    body = {"inputs": [numbers("x", np.array(HARD, np.float32))]}
    for status, _ in await asyncio.gather(*(device.infer("digits", body) for _ in range(times))):
        assert status == 200


async def test_a_full_disk_costs_examples_and_no_answer_and_room_is_used_again(disk: Path, device: Running) -> None:
    metrics = device.server.metrics
    spool = Spool(wanted(max_bytes=SIZE // 2), Home(disk / "spool", ORIGIN, Way(disk)), metrics)
    await spool.open()
    device.server.plane.spool = spool
    await ask(device, 5)
    await until(lambda: spool.examples == 5, "five examples are kept")

    filler = fill(disk)
    await ask(device, 7)
    await until(lambda: metrics.spool_dropped.labels("disk").value == 7, "seven were dropped")
    assert (spool.examples, len(files(disk / "spool"))) == (5, 5)
    assert not list((disk / "spool").glob(".*"))

    filler.unlink()
    await ask(device, 3)
    await until(lambda: spool.examples == 8, "there is room again")
    await spool.close()


async def test_a_spool_that_fills_its_disk_by_itself_goes_on_within_it(disk: Path, device: Running) -> None:
    """maxBytes may promise more than there is: other pods of the node eat from the same disk."""
    metrics = device.server.metrics
    spool = Spool(wanted(max_bytes=10 * SIZE), Home(disk / "spool", ORIGIN, Way(disk)), metrics)
    await spool.open()
    for seed in range(60):
        spool.offer(example(seed=seed, size=8000))
        await until(lambda: not spool.waiting, "it is on the disk, or counted")
    dropped = metrics.spool_dropped.labels("disk").value
    assert (dropped > 0, spool.examples + dropped) == (True, 60)
    await spool.close()
    again = Spool(wanted(max_bytes=10 * SIZE), Home(disk / "spool", ORIGIN, Way(disk)), metrics)
    await again.open()
    assert again.examples == spool.examples
    await again.close()
