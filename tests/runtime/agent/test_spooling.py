"""A device keeps hard requests because its plan says so, and stops, and forgets them, when the plan says that."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewise.api.confidence import Confidence
from edgewise.api.escalation import Budget, EscalationWhen
from edgewise.contract.plan import Plan, PlanEscalation, PlanSpool, PlanTarget
from edgewise_runtime.agent.plans import Plans
from edgewise_runtime.agent.spooling import Spooling
from edgewise_runtime.settings import Settings
from edgewise_runtime.spool.sink import Way
from edgewise_runtime.spool.spool import Spool
from tests.runtime import tinyonnx
from tests.runtime.agent.devices import mount
from tests.runtime.agent.documents import NODE, UID, plan
from tests.runtime.agent.waiting import until
from tests.runtime.serving import Running, numbers, running, served
from tests.runtime.spool.collector import collecting
from tests.runtime.spool.examples import files, wanted

HARD, EASY = [[1.0, 0.0]], [[100.0, 0.0]]


class Edge:
    """A device that serves, and follows whatever plan is mounted; its targets are all dead."""

    def __init__(self, root: Path, device: Running, room: int = 2**20) -> None:
        self.device = device
        self.folder = root / "cache" / UID / "spool"
        self._root = root
        self.plans = Plans(root / "cache", root / "plan")
        self.spooling = Spooling(device.server, self.plans, Settings(node_name=NODE, spool_room=room), Way(root))

    async def follow(self, sequence: int, spool: PlanSpool | None, **escalation: Any) -> None:
        document = wanting(sequence, spool, **escalation)
        mount(self._root / "plan", document)
        await self.plans.poll()
        self.device.server.configure(document.serving, document.escalation)

    async def spools(self, does: bool = True) -> None:
        plane = self.device.server.plane
        await until(lambda: (plane.spool is not None) == does, f"it {'keeps' if does else 'does not keep'} examples")

    async def ask(self, x: list[list[float]], **parameters: Any) -> None:
        body = {"inputs": [numbers("x", np.array(x, np.float32))], "parameters": parameters}
        status, _ = await self.device.infer("digits", body)
        assert status == 200

    async def holds(self, count: int) -> None:
        await until(lambda: len(files(self.folder)) == count, f"{count} examples are on the disk")


def wanting(sequence: int, spool: PlanSpool | None, **escalation: Any) -> Plan:
    usual: dict[str, Any] = {
        "targets": [PlanTarget(name="cloud", url="http://127.0.0.1:9")], "timeout_seconds": 1.0,
        "when": EscalationWhen(confidence_below="0.85"), "budget": Budget(),
    }  # fmt: skip
    return plan(sequence, escalation=PlanEscalation(**(usual | escalation), spool=spool))


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    weak = tinyonnx.linear(tmp_path, np.eye(2) / 10, "weak")
    async with (
        running(served(weak, "digits", "2.1.0", Confidence(output="logits"))) as device,
        started(tmp_path, device) as made,
    ):
        yield made


@contextlib.asynccontextmanager
async def started(root: Path, device: Running, room: int = 2**20) -> AsyncIterator[Edge]:
    made = Edge(root, device, room)
    await made.plans.start()
    task = asyncio.ensure_future(made.spooling.run())
    try:
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_hard_requests_without_help_are_kept_and_easy_ones_are_not(edge: Edge) -> None:
    await edge.follow(1, wanted())
    await edge.spools()
    await edge.ask(HARD)
    await edge.ask(EASY)
    await edge.ask(HARD)
    await edge.holds(2)
    with np.load(files(edge.folder)[0]) as example:
        about = json.loads(example["example.json"])
        assert example["input_0"].tolist() == HARD
        assert example["output_0"].tolist() == [[pytest.approx(0.1), 0.0]]
    assert (about["reason"], about["source"], about["release"]) == ("LowConfidence", "device", "r1")
    assert (about["device"], about["deployment"]) == (NODE, "default/digits")
    assert about["confidence"] == pytest.approx(0.525, abs=0.001)


async def test_requests_that_a_budget_forbids_to_ask_about_are_kept(edge: Edge) -> None:
    await edge.follow(1, wanted(), budget=Budget(ratio="0"))
    await edge.spools()
    await edge.ask(HARD)
    await edge.holds(1)


async def test_requests_that_the_device_cannot_answer_are_kept(edge: Edge) -> None:
    await edge.follow(1, wanted())
    await edge.spools()
    edge.device.models.replace({}, "none")
    body = {"inputs": [numbers("x", np.array(HARD, np.float32))]}
    status, _ = await edge.device.infer("digits", body)
    assert status == 503
    await edge.holds(1)
    with np.load(files(edge.folder)[0]) as example:
        about = json.loads(example["example.json"])
    assert (about["reason"], about["outputs"], about["confidence"]) == ("Unavailable", [], None)


async def test_a_private_request_is_never_kept(edge: Edge) -> None:
    await edge.follow(1, wanted())
    await edge.spools()
    await edge.ask(HARD, edgewise_privacy="never")
    await edge.ask(HARD)
    await edge.holds(1)
    assert await edge.device.metric("edgewise_spool_examples") == 1


async def test_a_plan_that_forbids_it_deletes_what_was_kept_and_keeps_no_more(edge: Edge) -> None:
    """`privacy: Never` reaches a device as a plan without escalation."""
    await edge.follow(1, wanted())
    await edge.spools()
    await edge.ask(HARD)
    await edge.holds(1)
    mount(edge.folder.parents[2] / "plan", plan(2))
    await edge.plans.poll()
    await edge.spools(False)
    await until(lambda: not edge.folder.exists(), "the examples are gone")
    await edge.ask(HARD)
    assert not edge.folder.exists()
    assert await edge.device.metric('edgewise_spool_dropped_total{reason="off"}') == 1


async def test_a_new_sink_gets_what_was_kept_before(edge: Edge) -> None:
    await edge.follow(1, wanted())
    await edge.spools()
    await edge.ask(HARD)
    await edge.holds(1)
    async with collecting() as collector:
        await edge.follow(2, wanted(sink=collector.url))
        await until(lambda: collector.examples, "the example has arrived")
        await edge.holds(0)
        assert await edge.device.metric('edgewise_spool_sent_total{result="sent"}') == 1


async def test_a_plan_with_the_same_spool_disturbs_nothing(edge: Edge) -> None:
    await edge.follow(1, wanted())
    await edge.spools()
    before = edge.device.server.plane.spool
    await edge.follow(2, wanted())
    await edge.ask(HARD)
    await edge.holds(1)
    assert edge.device.server.plane.spool is before


async def test_a_restarted_device_goes_on_with_what_it_had(edge: Edge, tmp_path: Path) -> None:
    await edge.follow(1, wanted())
    await edge.spools()
    await edge.ask(HARD)
    await edge.holds(1)
    edge.spooling._plans.current = None
    edge.plans.bell.ring()
    await edge.spools(False)
    async with started(tmp_path, edge.device) as again:
        await again.spools()
        assert await edge.device.metric("edgewise_spool_examples") == 1
        assert await edge.device.metric("edgewise_spool_bytes") == 4096
        assert await edge.device.metric("edgewise_spool_oldest_seconds") > 0


@pytest.mark.parametrize(("room", "kept"), [(0, 0), (2 * 4096, 2)])
async def test_a_pod_that_is_older_than_the_plan_keeps_what_its_own_volume_was_made_for(
    edge: Edge, tmp_path: Path, room: int, kept: int
) -> None:
    (tmp_path / "older").mkdir()
    async with started(tmp_path / "older", edge.device, room) as older:
        await older.follow(1, wanted(max_bytes=2**22))
        await older.spools(bool(room))
        for _ in range(4):
            await older.ask(HARD)
        await older.holds(kept)


@pytest.mark.parametrize("kind", ["http", "grpc"])
@pytest.mark.parametrize("rows", [1, 20_000], ids=["small", "large"])
async def test_what_waits_for_the_disk_is_not_overwritten_by_later_requests(edge: Edge, kind: str, rows: int) -> None:
    """Tensors are views of what a connection received, and one connection receives many requests."""
    await edge.follow(1, wanted())
    await edge.spools()
    spool = edge.device.server.plane.spool
    assert isinstance(spool, Spool)
    hangs = threading.Event()
    spool._thread.submit(hangs.wait)
    sent = [np.full((rows, 2), number / 10, np.float32) for number in range(1, 6)]
    await asyncio.to_thread(ask_by_triton, edge.device, kind, sent)
    hangs.set()
    await edge.holds(len(sent))
    kept = []
    for path in files(edge.folder):
        with np.load(path) as example:
            kept.append(example["input_0"])
    assert sorted(x[0, 0] for x in kept) == [x[0, 0] for x in sent]
    assert all((x == x[0, 0]).all() for x in kept)


def ask_by_triton(device: Running, kind: str, inputs: list[NDArray[np.float32]]) -> None:
    """All over one connection."""
    module = importlib.import_module(f"tritonclient.{kind}")
    address = device.address if kind == "http" else device.grpc_address
    with module.InferenceServerClient(address) as client:
        for x in inputs:
            tensor = module.InferInput("x", x.shape, "FP32")
            tensor.set_data_from_numpy(x)
            client.infer("digits", [tensor])
