"""Models in a real S3, which checks signatures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edgewise.api.base import SecretRef
from edgewise.api.edgemodel import Source
from edgewise.api.names import Reason
from edgewise_runtime.agent.fetch import Access
from tests.runtime.agent.documents import source
from tests.runtime.agent.fetching import CONTENT, failure_of, fetch
from tests.runtime.agent.fileserver import FileServer, redirect
from tests.runtime.spool.s3server import S3, s3_server

KEY = "vision/digits 1+2=3/ä.onnx"


@pytest.fixture
async def s3(tmp_path: Path) -> AsyncIterator[S3]:
    async with s3_server(tmp_path / "s3") as running:
        running.secret(tmp_path / "secrets" / "bucket")
        there = running.buckets / "training" / KEY
        there.parent.mkdir(parents=True)
        there.write_bytes(CONTENT)
        yield running


def model(key: str = KEY, bucket: str = "training") -> Source:
    return source(f"s3://{bucket}/{key}", CONTENT, size=len(CONTENT), secret_ref=SecretRef(name="bucket"))


async def test_an_object_is_fetched_whatever_its_key(s3: S3, access: Access, part: Path) -> None:
    assert await fetch(access, model(), part) == CONTENT


async def test_a_download_goes_on_where_it_stopped(s3: S3, access: Access, part: Path) -> None:
    part.parent.mkdir()
    part.write_bytes(CONTENT[:123_456])
    assert await fetch(access, model(), part) == CONTENT


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "another"}, "403 (SignatureDoesNotMatch"),
        ({"AWS_ACCESS_KEY_ID": "nobody"}, "No user exists with the provided access key ID"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "Secret bucket is missing, or lacks AWS_ACCESS_KEY_ID"),
        ({"AWS_ENDPOINT_URL": "http://["}, "AWS_ENDPOINT_URL of source.secretRef is no usable URL"),
    ],
)
async def test_a_wrong_secret_is_told_by_name(
    s3: S3, access: Access, part: Path, tmp_path: Path, changes: dict[str, str], says: str
) -> None:
    s3.secret(tmp_path / "secrets" / "bucket", **changes)
    failure = await failure_of(access, model(), part)
    assert (failure.reason, says in failure.message) == (Reason.SOURCE_REFUSED, True), failure.message
    assert "a-secret-of-the-tests" not in failure.message


@pytest.mark.parametrize(
    ("key", "bucket", "says"), [("no/such", "training", "NoSuchKey"), (KEY, "gone", "NoSuchBucket")]
)
async def test_what_is_not_there_is_told_in_the_words_of_s3(
    s3: S3, access: Access, part: Path, key: str, bucket: str, says: str
) -> None:
    failure = await failure_of(access, model(key, bucket), part)
    assert (failure.reason, says in failure.message) == (Reason.SOURCE_REFUSED, True), failure.message


async def test_without_a_secret_there_is_no_s3(access: Access, part: Path) -> None:
    failure = await failure_of(access, source("s3://training/m.onnx", CONTENT), part)
    assert (failure.reason, "AWS_ACCESS_KEY_ID" in failure.message) == (Reason.SOURCE_REFUSED, True)


async def test_nothing_that_proves_who_we_are_goes_along_with_a_redirect(
    server: FileServer, other: FileServer, access: Access, part: Path, tmp_path: Path
) -> None:
    S3(server.url, tmp_path).secret(tmp_path / "secrets" / "bucket", AWS_SESSION_TOKEN="temporary")
    server.faults["/training/m.onnx"] = [redirect(other.add("/copy", CONTENT))]
    assert await fetch(access, model("m.onnx"), part) == CONTENT
    proofs = ("Authorization", "x-amz-security-token")
    (sent,), (along,) = server.requests_for("/training/m.onnx"), other.requests_for("/copy")
    assert [any(name.lower() == proof.lower() for name in sent) for proof in proofs] == [True, True]
    assert [any(name.lower() == proof.lower() for name in along) for proof in proofs] == [False, False]
