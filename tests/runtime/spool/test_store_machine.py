"""Whatever happens in whatever order: the limit holds, nothing torn is sent, nothing is lost without being counted.

The machine offers examples, sends them with every outcome, lets time pass, and cuts the power at any byte of a write.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edgewise_runtime.spool.record import identity
from edgewise_runtime.spool.store import BLOCK, Entry, Limits, Store
from tests.runtime.spool.examples import NOW, files, on_disk

AGE = 1000.0
CONFIDENCES = st.one_of(st.none(), st.sampled_from([0.0, 0.1, 0.5, 0.5000001, 0.9, 1.0, 12.5]))


class Spooling(RuleBasedStateMachine):
    """`sink` is what the sink holds; `offered` everything that the store was ever given."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp()) / "spool"
        self.now = NOW
        self.dropped = Counter[str]()
        self.lost = 0  # in the middle of being written when the power went
        self.offered: dict[str, bytes] = {}
        self.sink: dict[str, bytes] = {}

    @initialize(blocks=st.integers(1, 12))
    def start(self, blocks: int) -> None:
        self.limit = blocks * BLOCK
        self.open()

    def open(self) -> None:
        self.store = Store(self.folder, Limits(self.limit, AGE), lambda reason: self.dropped.update([reason]))
        self.store.open()

    def new(self, size: int) -> bytes:
        data = f"{len(self.offered)} ".encode() + b"x" * size
        self.offered[identity(data)] = data
        return data

    @rule(size=st.integers(0, 5 * BLOCK), confidence=CONFIDENCES)
    def offer(self, size: int, confidence: float | None) -> None:
        data, before = self.new(size), list(self.store._entries)
        self.store.add(data, self.now, confidence)
        new = Entry(float(f"{confidence or 0:.6g}"), -round(self.now * 1000), identity(data), len(data))
        kept = self.store._entries
        gone = [entry for entry in before if entry not in kept]
        if new in kept:
            assert all(entry > other for entry in gone for other in kept)
        else:
            better = sum(entry.cost for entry in before if entry < new)
            assert not gone
            assert better + new.cost > self.limit

    @rule(
        size=st.integers(0, 3 * BLOCK),
        at=st.floats(0, 1),
        renamed=st.booleans(),
        confidence=st.sampled_from([0.1, 0.5, 0.9]),
    )
    def power_cut_while_writing(self, size: int, at: float, renamed: bool, confidence: float) -> None:
        """A file system that reorders what it was told to sync may show the name before the content."""
        data = self.new(size)
        torn = data[: int(at * len(data))]
        entry = Entry(confidence, -round(self.now * 1000), identity(data), len(data))
        name = entry.name if renamed and len(torn) < len(data) else f".{entry.name}.k3j2.tmp"
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(torn)
        self.lost += not name.endswith(".npz")
        self.open()

    @rule()
    def kill(self) -> None:
        self.open()

    @rule(blocks=st.integers(1, 12))
    def another_limit(self, blocks: int) -> None:
        self.limit = blocks * BLOCK
        self.open()

    @rule(outcome=st.sampled_from(["answered", "failed", "unclear", "unwanted", "power cut"]))
    def send(self, outcome: str) -> None:
        found = self.store.best(self.now)
        if found is None:
            return
        entry, data = found
        assert self.offered[entry.id] == data
        assert abs(self.now - entry.taken) <= AGE
        if outcome in ("answered", "unclear", "power cut"):
            assert self.sink.setdefault(entry.id, data) == data
        if outcome in ("answered", "unwanted", "power cut"):
            self.store.remove(entry)
            self.dropped["unwanted"] += outcome == "unwanted"
        if outcome == "power cut":  # the file system forgets that it forgot
            (self.folder / entry.name).write_bytes(data)
            self.open()

    @rule(seconds=st.floats(0.001, AGE))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.store.expire(self.now)

    @invariant()
    def the_limit_holds(self) -> None:
        if hasattr(self, "store"):
            assert on_disk(self.folder) == self.store.held <= self.limit
            assert len(files(self.folder)) == len(self.store)

    def teardown(self) -> None:
        """In the end each example was delivered, or counted, or was in the making when the power went."""
        if hasattr(self, "store"):
            while found := self.store.best(self.now):
                assert self.sink.setdefault(found[0].id, found[1]) == found[1]
                self.store.remove(found[0])
            assert self.sink.items() <= self.offered.items()
            known = len(self.sink) + sum(self.dropped.values()) + self.lost
            assert known >= len(self.offered)  # more: delivered without an answer, and dropped later
        shutil.rmtree(self.folder.parent)


TestSpooling = Spooling.TestCase
TestSpooling.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
