"""What is asked of a Prometheus while rollouts are under way, and what is kept of its answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import web

from edgewise.cluster.store import Store
from edgewise.controller.inquiries import Inquiries
from edgewise.controller.prometheus import Prometheus
from edgewise.core.observed import Answer
from tests.unit import bodies
from tests.unit.answering import answering, number

SHARED = "sum(scrap)"


def store(*names: str, **status: Any) -> Store:
    """EdgeDeployments with a release on its way; each asks what all ask, and something of its own."""
    made = Store()
    for name in names:
        put(made, name, **status)
    return made


def put(made: Store, name: str, version: int = 1, target: str = "2.0.0-b") -> None:
    asked = [{"name": "all", "promql": SHARED, "max": "1"}, {"name": "own", "promql": 'f{of="{{name}}"}', "max": "1"}]
    body = bodies.deployment(name, version)
    status = {"release": {"stable": "1.0.0-a", "target": target}, "rollout": {"release": "2.0.0-b", "wave": 1}}
    made.put({**body, "spec": {**body["spec"], "rollout": {"gates": {"query": asked}}}, "status": status})


async def test_every_question_is_asked_once_a_round_and_the_last_three_answers_are_kept() -> None:
    heard: list[str] = []

    async def listening(request: web.Request) -> web.Response:
        heard.append(request.query["query"])
        return number(len(heard))

    async with answering(listening) as url:
        inquiries = Inquiries(store("here"), Prometheus(url), clock=lambda: float(len(heard)))
        for _ in range(4):
            await inquiries.round()
    assert sorted(heard[:2]) == ['f{of="here"}', SHARED]
    assert len(heard) == 8
    kept = inquiries.answers()
    assert set(kept) == {'f{of="here"}', SHARED}
    assert [len(answers) for answers in kept.values()] == [3, 3]
    assert all(list(one) == sorted(one, key=lambda answer: answer.at) for one in kept.values())


async def test_what_two_deployments_want_to_know_is_asked_once() -> None:
    heard: list[str] = []

    async def listening(request: web.Request) -> web.Response:
        heard.append(request.query["query"])
        return number(0)

    async with answering(listening) as url:
        await Inquiries(store("here", "there"), Prometheus(url)).round()
    assert sorted(heard) == ['f{of="here"}', 'f{of="there"}', SHARED]


async def test_when_the_rollout_is_over_nobody_asks_and_nothing_is_kept() -> None:
    async def listening(_: web.Request) -> web.Response:
        return number(0)

    made = store("here")
    async with answering(listening) as url:
        inquiries = Inquiries(made, Prometheus(url))
        await inquiries.round()
        assert inquiries.answers()
        put(made, "here", version=2, target="1.0.0-a")
        await inquiries.round()
    assert inquiries.answers() == {}


async def test_few_questions_are_open_at_the_same_time() -> None:
    waiting, most, enough = 0, 0, asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        if most == 4:
            enough.set()
        await enough.wait()
        await asyncio.sleep(0)
        waiting -= 1
        return number(0)

    async with answering(slow) as url:
        inquiries = Inquiries(store(*(f"d{i}" for i in range(10))), Prometheus(url))
        await inquiries.round()
    assert (most, len(inquiries.answers())) == (4, 11)


async def test_credentials_that_are_no_use_are_the_answer(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("a note")
    inquiries = Inquiries(store("here"), Prometheus("https://127.0.0.1:1", tmp_path), clock=lambda: 7.0)
    await inquiries.round()
    (answer,) = inquiries.answers()[SHARED]
    assert answer.problem.startswith("the credentials for Prometheus cannot be read: ")
    (tmp_path / "ca.crt").unlink()
    (tmp_path / "token").write_text("two\nlines")
    await inquiries.round()
    first, second = inquiries.answers()[SHARED]
    assert (first, second.at) == (answer, 7.0)
    assert "cannot be asked" in second.problem


async def test_without_a_rollout_no_file_is_opened_and_nobody_called(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("a note")
    made = Store()
    made.put(bodies.deployment())
    inquiries = Inquiries(made, Prometheus("https://127.0.0.1:1", tmp_path))
    await inquiries.round()
    assert inquiries.answers() == dict[str, tuple[Answer, ...]]()
