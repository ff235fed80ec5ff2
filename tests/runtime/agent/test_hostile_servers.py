"""Servers that lie, drip, change their mind or mean ill: each is refused or survived, and the reason says which."""

from __future__ import annotations

import gzip
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from edgewise.api.names import Reason
from edgewise_runtime.agent import fetch as fetching
from edgewise_runtime.agent.fetch import Access
from tests.runtime.agent.documents import source
from tests.runtime.agent.fetching import CONTENT, failure_of, fetch
from tests.runtime.agent.fileserver import (
    Fault,
    FileServer,
    answering,
    cut_after,
    dripping,
    dripping_head,
    endless,
    redirect,
    saying_length,
    status,
    without_ranges,
)

HALF = 150_000
SIZE = len(CONTENT)
REST = CONTENT[HALF:]
OTHER = os.urandom(SIZE)
SPAN = f"bytes {HALF}-{SIZE - 1}/{SIZE}"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "RESUME_SECONDS", 0.01)


@dataclass(frozen=True)
class Case:
    """What the server does, try after try, and what comes of it."""

    faults: list[Fault]
    reason: str = ""
    """Empty: the file arrives all the same."""
    says: str = ""
    size: int | None = SIZE
    requests: int = 0
    """How many it takes; 0: no matter."""


def begun(*faults: Fault) -> list[Fault]:
    """After half of the file came."""
    return [cut_after(HALF), *faults]


CASES = {
    "a length that is too small": Case([answering(CONTENT[:HALF])], Reason.HASH_MISMATCH, "ends after 150000 of the"),
    "the same, where nobody knows the size": Case(
        [answering(CONTENT[:HALF])], Reason.HASH_MISMATCH, "correct one of them", size=None
    ),
    "a length that is too great, and the file": Case([saying_length(SIZE + 1)], Reason.HASH_MISMATCH, "has more than"),
    "a length that nobody has room for": Case(
        [saying_length(2**50)], Reason.SOURCE_REFUSED, r"serving\.cache\.limit", size=None
    ),
    "a length beyond what it sends": Case([saying_length(SIZE + 1), saying_length(SIZE + 1)], "", size=None),
    "a body without end": Case([endless()], Reason.HASH_MISMATCH, "has more than"),
    "a body without end, of unknown size": Case([endless()], Reason.SOURCE_REFUSED, "has more than", size=None),
    "ranges ignored": Case(begun(without_ranges()), requests=2),
    "ranges ignored, and the file shorter than it was": Case(
        begun(answering(CONTENT[:HALF]), without_ranges()), requests=3
    ),
    "another part than was asked for": Case(
        begun(answering(REST, 206, content_range=f"bytes 0-{len(REST) - 1}/{SIZE}"), without_ranges()), requests=3
    ),
    "a part of nothing in particular": Case(begun(answering(REST, 206), without_ranges()), requests=3),
    "a part of a file that is too long": Case(
        begun(answering(REST, 206, content_range=f"bytes {HALF}-{SIZE - 1}/{SIZE + 7}"), answering(CONTENT + b"more")),
        Reason.HASH_MISMATCH,
        "has more than",
    ),
    "a part with a number beyond all numbers": Case(
        begun(answering(REST, 206, content_range=f"bytes {HALF}-{SIZE - 1}/{'9' * 5000}"), without_ranges()), requests=3
    ),
    "a version that no header can carry": Case(
        [answering(CONTENT[:HALF], etag='"\u00e4\u20ac"'), without_ranges()], Reason.HASH_MISMATCH, "ends after"
    ),
    "a part beyond the end": Case(begun(status(416), without_ranges()), requests=3),
    "nothing but parts beyond the end": Case(begun(status(416), status(416)), Reason.HASH_MISMATCH, "shorter"),
    "compressed without being asked": Case(
        [answering(gzip.compress(CONTENT), content_encoding="gzip")], Reason.SOURCE_REFUSED, "comes as gzip"
    ),
    "other bytes": Case([answering(OTHER)], Reason.HASH_MISMATCH, "source.sha256 says"),
    "other bytes after the cut": Case(
        begun(answering(OTHER[HALF:], 206, content_range=SPAN), without_ranges()), requests=3
    ),
    "redirects to the device itself": Case(
        [redirect("http://[::1]/m")], Reason.SOURCE_REFUSED, "not fetched from there"
    ),
    "redirects to the cloud's metadata": Case(
        [redirect("http://169.254.169.254/m")], Reason.SOURCE_REFUSED, "not fetched from there"
    ),
    "redirects to its own files": Case([redirect("file:///etc/shadow")], Reason.SOURCE_REFUSED, "only https follows"),
    "redirects to nowhere": Case([redirect("http://[")], Reason.SOURCE_REFUSED, "no URL"),
    "redirects without end": Case([redirect("/m.onnx")] * 11, Reason.SOURCE_REFUSED, "more than 10 times", requests=11),
    "a head without end": Case([dripping_head(0.1)], Reason.SOURCE_UNREACHABLE, "went silent"),
    "a byte now and then": Case([dripping(0.1)], Reason.SOURCE_UNREACHABLE, r"sent \d+ bytes in"),
    "an overloaded server": Case([status(503)], Reason.SOURCE_UNREACHABLE, "503"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=tuple(CASES))
async def test_a_hostile_server(server: FileServer, access: Access, part: Path, case: Case) -> None:
    what = source(server.add("/m.onnx", CONTENT), CONTENT, size=case.size)
    server.faults["/m.onnx"] = list(case.faults)
    if case.reason:
        failure = await failure_of(access, what, part)
        assert failure.reason == case.reason, failure.message
        assert re.search(case.says, failure.message)
        assert part.stat().st_size <= max(SIZE, 10**6)
    else:
        assert await fetch(access, what, part) == CONTENT
    if case.requests:
        assert len(server.requests) == case.requests


async def test_a_file_that_is_changed_between_two_tries_is_fetched_from_its_beginning(
    server: FileServer, access: Access, part: Path
) -> None:
    """`CONTENT` is what is wanted, and what is there in the end; the first half came of something else."""
    uri = server.add("/m.onnx", OTHER)
    server.etags["/m.onnx"] = '"one"'

    async def changing(request: web.Request, content: bytes) -> web.StreamResponse:
        server.files["/m.onnx"], server.etags["/m.onnx"] = CONTENT, '"two"'
        assert request.transport is not None
        request.transport.write(
            b'HTTP/1.1 200 OK\r\nETag: "one"\r\nContent-Length: %d\r\n\r\n%s' % (len(content), content[:HALF])
        )
        request.transport.close()
        return web.Response()

    server.faults["/m.onnx"] = [changing]
    assert await fetch(access, source(uri, CONTENT), part) == CONTENT
    asked = server.requests_for("/m.onnx")
    assert [headers.get("If-Range") for headers in asked] == [None, '"one"']
    assert asked[1]["Range"].startswith("bytes=")


async def test_a_server_that_drips_is_left_for_a_mirror_that_does_not(
    server: FileServer, other: FileServer, access: Access, part: Path
) -> None:
    server.add("/m.onnx", CONTENT)
    server.faults["/m.onnx"] = [dripping(0.1)]
    what = source(server.url + "/m.onnx", CONTENT, mirrors=[other.add("/copy", CONTENT)])
    assert await fetch(access, what, part) == CONTENT
    assert other.requests_for("/copy")[0]["Range"].startswith("bytes=")
