"""Ways to make a device serve what nobody signed, or what was signed for something else; and a pod to try them on."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp

from edgewise.contract.plan import PlanRelease, PlanReporting
from edgewise.contract.report import Report
from edgewise.contract.trust import Policy
from edgewise_runtime.trust.judging import Proof
from tests.runtime.agent.devices import mount
from tests.runtime.agent.documents import plan
from tests.runtime.agent.fileserver import endless, file_server
from tests.runtime.agent.operators import Operator, operator
from tests.runtime.agent.pods import Pod, pod
from tests.runtime.agent.publishing import ALICE, BOB, Publisher, mount_keys
from tests.runtime.agent.tinymodels import ONE, THREE, TWO
from tests.runtime.agent.waiting import until

BARRIER = Policy(public_keys=[ALICE], min_version="0.5.0")
"""What the besieged pod was made with."""

Attack = Callable[[Publisher], PlanRelease]

ATTACKS: dict[str, Attack] = {
    "nothing is signed": lambda publisher: publisher.unsigned(TWO, "2.0.0"),
    "a stranger signed": lambda publisher: publisher.release(TWO, "2.0.0", publisher.proof(TWO, "2.0.0", by="mallory")),
    "another file was signed": lambda publisher: publisher.release(TWO, "2.0.0", publisher.proof(THREE, "2.0.0")),
    "an old version, signed long ago, under a new number": lambda publisher: publisher.release(
        TWO, "2.0.0", publisher.proof(TWO, "0.9.0")
    ),
    "an old version by its own number, below the barrier": lambda publisher: publisher.release(TWO, "0.1.0"),
    "a build of another version": lambda publisher: publisher.release(THREE, "2.0.0", publisher.proof(TWO, "2.0.0")),
    "an absurd version": lambda publisher: publisher.release(TWO, "999999.0.0", publisher.proof(TWO, "2.0.0")),
    "another model": lambda publisher: publisher.release(TWO, "2.0.0", publisher.proof(TWO, "2.0.0", model="faces")),
    "a model by another name": lambda publisher: publisher.release(TWO, "2.0.0", named="digits2"),
    "a plan that names another key": lambda publisher: publisher.release(
        TWO, "2.0.0", publisher.proof(TWO, "2.0.0", by="bob"), Policy(public_keys=[BOB])
    ),
    "a plan with a lower barrier": lambda publisher: publisher.release(
        TWO, "0.1.0", policy=Policy(public_keys=[ALICE], min_version="0.0.1")
    ),
    "an expired version": lambda publisher: publisher.release(
        TWO,
        "2.0.0",
        publisher.proof(TWO, "2.0.0", more={"issued": "2020-01-01T00:00:00Z", "not_after": "2020-06-01T00:00:00Z"}),
    ),
    "a signature without end": lambda publisher: _endless(publisher),
    "no signature at all": lambda publisher: publisher.release(TWO, "2.0.0", Proof(b"", b"")),
}


def _endless(publisher: Publisher) -> PlanRelease:
    good = publisher.release(TWO, "2.0.0")
    (model,) = good.models
    if model.verification is not None and model.verification.signature is not None:
        publisher.fault(model.verification.signature.uri, endless())
    return good


def cuts(percents: Iterable[int]) -> Iterator[tuple[str, Attack]]:
    """Every file of a good version, cut off after so many percent; the model in two ways: as if that were the file, and
    by a server that sends less than was signed."""
    for percent in percents:
        yield f"the signature, {percent} %", partial(_small, signature=percent)
        yield f"the manifest, {percent} %", partial(_small, manifest=percent)
        yield f"the model, {percent} %", partial(_model, percent=percent)
        yield f"the model as it is sent, {percent} %", partial(_sent, percent=percent)


def _cut(content: bytes, percent: int) -> bytes:
    return content[: len(content) * percent // 100]


def _small(publisher: Publisher, signature: int = 100, manifest: int = 100) -> PlanRelease:
    good = publisher.proof(TWO, "2.0.0")
    return publisher.release(TWO, "2.0.0", Proof(_cut(good.signature, signature), _cut(good.manifest, manifest)))


def _model(publisher: Publisher, percent: int) -> PlanRelease:
    return publisher.release(_cut(TWO, percent), "2.0.0", publisher.proof(TWO, "2.0.0"))


def _sent(publisher: Publisher, percent: int) -> PlanRelease:
    good = publisher.release(TWO, "2.0.0")
    publisher.replace(good.models[0].builds[0].source.uri, _cut(TWO, percent))
    return good


@dataclass
class Siege:
    """A pod that serves version 1.0.0 of digits, signed by alice, and takes its plans from whoever attacks."""

    _boss: Operator
    _pod: Pod
    _publisher: Publisher
    _http: aiohttp.ClientSession
    _first: PlanRelease
    _sequence: int = 1

    async def refuses(self, attack: Attack) -> bool:
        """Whether the pod reports that it will not serve that, and that it serves what it served."""
        report = await self._tried(attack)
        return report.serving == self._first.name and report.models[0].state == "Failed"

    async def takes(self, version: Attack) -> bool:
        """Whether the pod reports that it serves that: one that refuses everything would withstand every siege."""
        return (await self._tried(version)).models[0].state == "Ready"

    async def still_answers(self) -> bool:
        return await self._pod.ask(self._http) == (200, 1.0)

    async def _tried(self, attack: Attack) -> Report:
        """What the pod reports of it in the end."""
        self._sequence += 1
        name = f"attack-{self._sequence}"
        release = attack(self._publisher).model_copy(update={"name": name})
        self._boss.plan = plan(
            self._sequence, self._first, release, stable=self._first.name, reporting=_reporting(self._boss)
        )
        await until(lambda: self._outcomes(name), f"{name} comes to an end")
        return self._outcomes(name)[0]

    def _outcomes(self, name: str) -> list[Report]:
        of_it = [report for report in self._boss.reports if report.release == name]
        return [one for one in of_it if one.serving == name or one.models[0].state in ("Failed", "Ready")]


def _reporting(boss: Operator) -> PlanReporting:
    return boss.reporting(during_rollout_seconds=0.1)


@contextlib.asynccontextmanager
async def siege(root: Path) -> AsyncIterator[Siege]:
    """The program as a process of its own, a file server and an operator, until the block ends."""
    (root / "packages").mkdir()
    mount_keys(root, "alice", "bob")
    trust = json.dumps({"digits": BARRIER.wire()})
    async with operator(root) as boss, file_server() as server, aiohttp.ClientSession() as http:
        publisher = Publisher(server, root / "packages")
        first = publisher.release(ONE, "1.0.0")
        mount(root / "plan", plan(1, first, stable="elsewhere", reporting=_reporting(boss)))
        async with pod(root, EDGEWISE_TRUST=trust) as edge:
            await until(lambda: boss.reports and boss.reports[-1].serving == first.name, "the first version serves")
            yield Siege(boss, edge, publisher, http, first)
