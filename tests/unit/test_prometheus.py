"""Questions to a real Prometheus, and to servers that are none."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from edgewise.controller import prometheus
from edgewise.controller.prometheus import LARGEST, Prometheus, answer
from edgewise.core.observed import Answer
from edgewise.core.rollout.queries import as_asked
from tests.cluster.paths import REPOSITORY
from tests.cluster.ports import free_port
from tests.stage.prometheus import scraping
from tests.unit.answering import answering, number
from tests.unit.core.builders import deployment


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Prometheus that scrapes nobody: constants are enough."""
    with scraping({}, tmp_path_factory.mktemp("prometheus")) as found:
        yield found.url


async def asked(url: str, promql: str, credentials: Path | None = None) -> Answer:
    one = Prometheus(url, credentials)
    async with one.session() as session:
        return await one.ask(session, promql, 7.0)


def either(one: str, other: str) -> str:
    """PromQL for a vector of two series."""
    return f'label_replace(vector({one}), "line", "1", "", "") or label_replace(vector({other}), "line", "2", "", "")'


@pytest.mark.parametrize(
    ("promql", "expected"),
    [
        pytest.param("1.5", Answer(7.0, 1.5), id="a number"),
        pytest.param("vector(2)", Answer(7.0, 2.0), id="a series"),
        pytest.param(either("1", "3"), Answer(7.0, 3.0, "line=2"), id="of several the highest"),
        pytest.param(either("0/0", "3"), Answer(7.0, 3.0, "line=2"), id="that is a number"),
        pytest.param(either("1/0", "3"), Answer(7.0, float("inf"), "line=1"), id="infinity is one"),
        pytest.param("0/0", Answer(7.0), id="no number"),
        pytest.param("nobody_counts_this", Answer(7.0), id="no series"),
    ],
)
async def test_a_prometheus_is_asked_and_the_highest_number_counts(running: str, promql: str, expected: Answer) -> None:
    assert await asked(running, promql) == expected


@pytest.mark.parametrize(
    ("promql", "says"),
    [
        ("sum(", "parse error"),
        ("up[5m]", "it gives a matrix; ask for one number a series, now"),
        ('"text"', "it gives a string"),
    ],
)
async def test_a_question_that_makes_no_sense_is_a_mistake(running: str, promql: str, says: str) -> None:
    found = await asked(running, promql)
    assert (found.value, found.mistaken) == (None, True)
    assert says in found.problem


async def test_the_examples_of_the_docs_are_understood(running: str) -> None:
    text = (REPOSITORY / "docs" / "rollouts.md").read_text()
    block = next(block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "promql:" in block)
    examples = deployment(rollout=yaml.safe_load(block)).spec.rollout.gates
    assert examples is not None
    for query in examples.query:
        found = await asked(running, as_asked(query, deployment(), "2.0.0-b"))
        assert (found.problem, found.value) == ("", None), "nobody counts these here"


async def test_an_address_with_a_path_and_a_slash_is_one_too(running: str) -> None:
    assert (await asked(f"{running}/", "1")).value == 1
    found = await asked(f"{running}/elsewhere", "1")
    assert (found.problem, found.mistaken) == ("status 404, and no answer that a Prometheus would give", False)


async def test_nobody_there_is_a_problem() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    found = await asked(url, "1")
    assert found.problem.startswith(f"{url} cannot be asked: ")
    assert not found.mistaken


@pytest.mark.parametrize("url", ["prometheus", "http://", "http://[", "ftp://prometheus:9090"])
async def test_so_is_an_address_that_is_none(url: str) -> None:
    assert "cannot be asked" in (await asked(url, "1")).problem


async def test_the_token_is_shown_and_read_anew_when_it_changes(tmp_path: Path) -> None:
    async def guarded(request: web.Request) -> web.Response:
        known = request.headers.get("Authorization") == "Bearer new"
        return number(1) if known else web.Response(status=401)

    async with answering(guarded) as url:
        assert (await asked(url, "1", tmp_path)).problem.startswith("status 401")
        (tmp_path / "token").write_text("old\n")
        assert (await asked(url, "1", tmp_path)).problem.startswith("status 401")
        (tmp_path / "token").write_text("new\n")
        assert (await asked(url, "1", tmp_path)).value == 1


async def test_it_follows_nobody_elsewhere(running: str) -> None:
    async def elsewhere(_: web.Request) -> web.Response:
        raise web.HTTPFound(f"{running}/api/v1/query?query=1")

    async with answering(elsewhere) as url:
        assert (await asked(url, "1")).problem.startswith("status 302")


async def test_an_answer_that_does_not_end_is_cut_off() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65536)

    async with answering(endless) as url:
        assert f"more than {LARGEST} bytes" in (await asked(url, "1")).problem


async def test_an_answer_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "TIMEOUT", 0.05)

    async def mute(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with answering(mute) as url:
        assert (await asked(url, "1")).problem.startswith(f"{url} did not answer within")


async def test_a_certificate_that_is_none_is_told_with_the_session(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("a note")
    with pytest.raises(OSError, match="NO_CERTIFICATE"):
        await asked("https://127.0.0.1:1", "1", tmp_path)


NOT_OURS = [
    b"", b"<html>", b"[]", b"null", b"7", b"[" * 100_000, b'{"status": "success"}', b'{"status": "error"}',
    b'{"status": "success", "data": {"resultType": "vector", "result": null}}',
    b'{"status": "success", "data": {"resultType": "vector", "result": [{"metric": [], "value": [0, "1"]}]}}',
    b'{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": ["1"]}]}}',
    b'{"status": "success", "data": {"resultType": "scalar", "result": [0, "one"]}}',
]  # fmt: skip


@pytest.mark.parametrize("body", NOT_OURS, ids=range(len(NOT_OURS)))
def test_whatever_comes_is_an_answer(body: bytes) -> None:
    assert answer(200, body, 7.0) == Answer(7.0, problem="status 200, and no answer that a Prometheus would give")


def test_what_others_say_is_kept_short() -> None:
    said = b'{"status": "error", "errorType": "execution", "error": "%s"}' % (b"many \\n words " * 100)
    found = answer(422, said, 7.0)
    assert (len(found.problem), "\n" in found.problem, found.mistaken) == (200, False, False)
