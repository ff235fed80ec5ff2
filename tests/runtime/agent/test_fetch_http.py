"""Fetching over http(s), from a real server on loopback, with what bad links and bad servers do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgewise.api.names import Reason
from edgewise_runtime.agent.fetch import Access
from tests.runtime.agent.documents import source
from tests.runtime.agent.fetching import CONTENT, ROOM, failure_of, fetch
from tests.runtime.agent.fileserver import FileServer, cut_after, endless, file_server, status, without_ranges


async def test_a_file_arrives_as_it_is(server: FileServer, access: Access, part: Path) -> None:
    uri = server.add("/m.onnx", CONTENT)
    assert await fetch(access, source(uri, CONTENT, size=len(CONTENT)), part) == CONTENT


async def test_a_link_that_breaks_again_and_again_still_brings_every_byte_only_once(
    server: FileServer, access: Access, part: Path
) -> None:
    uri = server.add("/m.onnx", CONTENT)
    server.faults["/m.onnx"] = [cut_after(100_000), cut_after(100_000)]
    assert await fetch(access, source(uri, CONTENT), part) == CONTENT
    asked = [headers.get("Range") for headers in server.requests_for("/m.onnx")]
    assert asked == [None, "bytes=100000-", "bytes=200000-"]


async def test_what_a_killed_process_left_is_not_fetched_again(server: FileServer, access: Access, part: Path) -> None:
    uri = server.add("/m.onnx", CONTENT)
    part.parent.mkdir()
    part.write_bytes(CONTENT[:123_456])
    assert await fetch(access, source(uri, CONTENT), part) == CONTENT
    assert [headers.get("Range") for headers in server.requests_for("/m.onnx")] == ["bytes=123456-"]


async def test_a_complete_file_of_a_killed_process_needs_no_request(
    server: FileServer, access: Access, part: Path
) -> None:
    part.parent.mkdir()
    part.write_bytes(CONTENT)
    assert await fetch(access, source(server.url + "/m.onnx", CONTENT), part) == CONTENT
    assert server.requests == []


@pytest.mark.parametrize("left", [os.urandom(1000), os.urandom(len(CONTENT)), os.urandom(len(CONTENT) + 1)])
async def test_a_leftover_of_something_else_is_thrown_away(
    server: FileServer, access: Access, part: Path, left: bytes
) -> None:
    uri = server.add("/m.onnx", CONTENT)
    part.parent.mkdir()
    part.write_bytes(left)
    assert await fetch(access, source(uri, CONTENT), part) == CONTENT


async def test_a_server_that_ignores_ranges_is_read_from_the_beginning(
    server: FileServer, access: Access, part: Path
) -> None:
    uri = server.add("/m.onnx", CONTENT)
    server.faults["/m.onnx"] = [cut_after(100_000), without_ranges()]
    assert await fetch(access, source(uri, CONTENT), part) == CONTENT


async def test_other_content_is_refused_and_nothing_of_it_is_kept(
    server: FileServer, access: Access, part: Path
) -> None:
    uri = server.add("/m.onnx", b"something else")
    failure = await failure_of(access, source(uri, CONTENT), part)
    assert failure.reason == Reason.HASH_MISMATCH
    assert part.stat().st_size == 0


@pytest.mark.parametrize(
    ("size", "reason"), [(len(CONTENT), Reason.HASH_MISMATCH), (None, Reason.SOURCE_REFUSED)], ids=["size", "no size"]
)
async def test_an_endless_body_is_cut_off(
    server: FileServer, access: Access, part: Path, size: int | None, reason: str
) -> None:
    server.faults["/m.onnx"] = [endless()]
    failure = await failure_of(access, source(server.url + "/m.onnx", CONTENT, size=size), part)
    assert failure.reason == reason
    assert part.stat().st_size <= ROOM


async def test_a_length_that_says_too_much_is_believed_before_a_byte_is_read(
    server: FileServer, access: Access, part: Path
) -> None:
    uri = server.add("/m.onnx", CONTENT)
    failure = await failure_of(access, source(uri, CONTENT), part, most=1000)
    assert failure.reason == Reason.SOURCE_REFUSED
    assert "serving.cache.limit" in failure.message
    assert part.stat().st_size == 0


async def test_a_server_that_goes_silent_is_given_up_and_gone_on_with_later(
    server: FileServer, access: Access, part: Path
) -> None:
    uri = server.add("/m.onnx", CONTENT)
    server.faults["/m.onnx"] = [server.stall_after(100_000), server.stall_after(0)]
    failure = await failure_of(access, source(uri, CONTENT), part)
    assert failure.reason == Reason.SOURCE_UNREACHABLE
    assert part.stat().st_size == 100_000


@pytest.mark.parametrize(
    ("code", "reason"),
    [(404, Reason.SOURCE_REFUSED), (401, Reason.SOURCE_REFUSED), (403, Reason.SOURCE_REFUSED),
     (500, Reason.SOURCE_UNREACHABLE), (503, Reason.SOURCE_UNREACHABLE), (429, Reason.SOURCE_UNREACHABLE)],
)  # fmt: skip
async def test_an_error_of_the_server_is_waited_for_or_told_at_once(
    server: FileServer, access: Access, part: Path, code: int, reason: str
) -> None:
    server.faults["/m.onnx"] = [status(code)]
    failure = await failure_of(access, source(server.url + "/m.onnx", CONTENT), part)
    assert (failure.reason, str(code) in failure.message) == (reason, True)


async def test_a_server_that_is_not_there_is_unreachable(access: Access, part: Path) -> None:
    async with file_server() as gone:
        uri = gone.url + "/m.onnx"
    assert (await failure_of(access, source(uri, CONTENT), part)).reason == Reason.SOURCE_UNREACHABLE


async def test_a_mirror_is_asked_where_the_source_fails(
    server: FileServer, other: FileServer, access: Access, part: Path
) -> None:
    other.add("/copy", CONTENT)
    what = source(server.url + "/m.onnx", CONTENT, mirrors=[other.url + "/copy"])
    assert await fetch(access, what, part) == CONTENT


async def test_a_mirror_goes_on_where_the_source_broke_off(
    server: FileServer, other: FileServer, access: Access, part: Path
) -> None:
    server.add("/m.onnx", CONTENT)
    server.faults["/m.onnx"] = [cut_after(100_000), status(500)]
    other.add("/copy", CONTENT)
    what = source(server.url + "/m.onnx", CONTENT, mirrors=[other.url + "/copy"])
    assert await fetch(access, what, part) == CONTENT
    assert other.requests_for("/copy")[0]["Range"] == "bytes=100000-"


async def test_nothing_is_final_while_one_of_the_candidates_is_merely_unreachable(
    server: FileServer, other: FileServer, access: Access, part: Path
) -> None:
    other.faults["/copy"] = [status(503)]
    what = source(server.url + "/m.onnx", CONTENT, mirrors=[other.url + "/copy"])
    failure = await failure_of(access, what, part)
    assert failure.reason == Reason.SOURCE_UNREACHABLE
    assert "404" in failure.message
    assert "503" in failure.message


@pytest.mark.parametrize("uri", ["gs://b/m", "az://b/m"])
async def test_a_scheme_of_a_later_version_is_refused_by_name(access: Access, part: Path, uri: str) -> None:
    failure = await failure_of(access, source(uri, CONTENT), part)
    assert failure.reason == Reason.SOURCE_REFUSED
    assert "not in this version" in failure.message
