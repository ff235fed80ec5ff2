"""Models that are on the node already: what a tenant's path may name, and what it may not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgewise.api.names import Reason
from edgewise_runtime.agent.fetch import Access
from edgewise_runtime.agent.fetch.local import Folders
from tests.runtime.agent.documents import source
from tests.runtime.agent.fetching import CONTENT, failure_of, fetch
from tests.runtime.agent.fileserver import FileServer, cut_after, status

ROOT = "/srv/models/team"


@pytest.fixture
def access(tmp_path: Path) -> Access:
    """A pod whose node calls the folder `files` /srv/models/team, and that has mounted the claim `store`."""
    (tmp_path / "files" / "deep").mkdir(parents=True)
    (tmp_path / "claims" / "store").mkdir(parents=True)
    folders = Folders(ROOT, tmp_path / "files", tmp_path / "claims")
    return Access(tmp_path / "secrets", frozenset({"127.0.0.1"}), stall_seconds=1.5, folders=folders)


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        (f"file://{ROOT}/m.onnx", "files/m.onnx"),
        (f"file://{ROOT}/deep/m 1.onnx", "files/deep/m 1.onnx"),
        ("pvc://store/m.onnx", "claims/store/m.onnx"),
        ("pvc://store/v2/m.onnx", "claims/store/v2/m.onnx"),
    ],
)
async def test_a_file_of_the_node_becomes_one_of_the_cache(
    access: Access, part: Path, tmp_path: Path, uri: str, place: str
) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_bytes(CONTENT)
    assert await fetch(access, source(uri, CONTENT, size=len(CONTENT)), part) == CONTENT


async def test_links_within_the_folder_are_followed(access: Access, part: Path, tmp_path: Path) -> None:
    """A kubelet lays out volumes with them."""
    (tmp_path / "files" / "deep" / "m.onnx").write_bytes(CONTENT)
    (tmp_path / "files" / "now").symlink_to("deep")
    (tmp_path / "files" / "m.onnx").symlink_to("now/m.onnx")
    assert await fetch(access, source(f"file://{ROOT}/m.onnx", CONTENT), part) == CONTENT


def climbing(root: Path) -> None:
    """Ways out of the folder, and things in it that are no files."""
    (root / "secret").write_bytes(CONTENT)
    files = root / "files"
    (files / "absolute").symlink_to(root / "secret")
    (files / "relative").symlink_to("../secret")
    (files / "up").symlink_to("..")
    (files / "round").symlink_to("round")
    os.mkfifo(files / "pipe")
    (files / "device").symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        (f"file://{ROOT}/../secret", "leads out of its folder"),
        (f"file://{ROOT}/deep/../../secret", "leads out of its folder"),
        (f"file://{ROOT}//etc/passwd", "leads out of its folder"),
        (f"file://{ROOT}/absolute", "leads out of its folder"),
        (f"file://{ROOT}/relative", "leads out of its folder"),
        (f"file://{ROOT}/up/secret", "leads out of its folder"),
        (f"file://{ROOT}/device", "leads out of its folder"),
        (f"file://{ROOT}/round", "cannot be read"),
        (f"file://{ROOT}/pipe", "it is no file"),
        (f"file://{ROOT}/deep", "it is no file"),
        ("file:///etc/shadow", f"not below file://{ROOT}"),
        (f"file://{ROOT}-of-others/m.onnx", f"not below file://{ROOT}"),
        ("file://host/share/m.onnx", f"not below file://{ROOT}"),
        ("pvc://store", "write pvc://claim/path"),
        ("pvc://../secret", "write pvc://claim/path"),
        ("pvc://store/../../secret", "leads out of its folder"),
    ],
)
async def test_a_path_that_leads_elsewhere_is_refused(
    access: Access, part: Path, tmp_path: Path, uri: str, says: str
) -> None:
    climbing(tmp_path)
    failure = await failure_of(access, source(uri, CONTENT), part)
    assert (failure.reason, says in failure.message) == (Reason.SOURCE_REFUSED, True), failure.message
    assert part.stat().st_size == 0


async def test_no_file_of_the_node_is_read_where_the_administrator_opened_none(part: Path, tmp_path: Path) -> None:
    failure = await failure_of(Access(tmp_path), source("file:///srv/m.onnx", CONTENT), part)
    assert (failure.reason, "fileRoot" in failure.message) == (Reason.SOURCE_REFUSED, True)


async def test_what_is_not_there_yet_is_waited_for(access: Access, part: Path) -> None:
    for uri in (f"file://{ROOT}/m.onnx", "pvc://store/m.onnx", "pvc://not-mounted/m.onnx"):
        assert (await failure_of(access, source(uri, CONTENT), part)).reason == Reason.SOURCE_UNREACHABLE


async def test_another_file_than_was_described_is_refused(access: Access, part: Path, tmp_path: Path) -> None:
    (tmp_path / "files" / "m.onnx").write_bytes(b"something else")
    for size, says in (
        (None, "correct one of them"),
        (14, "correct one of them"),
        (3, "more than"),
        (99, "ends after"),
    ):
        failure = await failure_of(access, source(f"file://{ROOT}/m.onnx", CONTENT, size=size), part)
        assert (failure.reason, says in failure.message) == (Reason.HASH_MISMATCH, True), failure.message
        assert part.stat().st_size == 0


async def test_a_stick_that_is_not_plugged_in_costs_nothing_of_what_came_over_the_link(
    access: Access, part: Path, server: FileServer
) -> None:
    server.add("/m.onnx", CONTENT)
    server.faults["/m.onnx"] = [cut_after(100_000), status(503)]
    what = source(server.url + "/m.onnx", CONTENT, mirrors=[f"file://{ROOT}/m.onnx"])
    assert (await failure_of(access, what, part)).reason == Reason.SOURCE_UNREACHABLE
    assert part.stat().st_size == 100_000
