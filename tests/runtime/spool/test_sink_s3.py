"""One PUT to a real S3 server, which checks the signature and keeps an object as it first came."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edgewise.api.base import SecretRef
from edgewise_runtime.pace import Pace
from edgewise_runtime.spool.record import identity
from edgewise_runtime.spool.sink import Result, Sink, SinkError, Way
from tests.runtime.spool.examples import packed, wanted
from tests.runtime.spool.s3server import S3, s3_server

DATA = packed(size=20_000)
NAME = identity(DATA)


@pytest.fixture
async def s3(tmp_path: Path) -> AsyncIterator[S3]:
    async with s3_server(tmp_path / "s3") as running:
        running.secret(tmp_path / "secrets" / "bucket")
        yield running


async def put(secrets: Path, sink: str = "s3://training/hard/rate=4+1", data: bytes = DATA) -> Result:
    plan = wanted(sink=sink, sink_secret_ref=SecretRef(name="bucket"))
    async with Sink(plan, Way(secrets), Pace(None)) as there:
        return await there.put(NAME, data)


async def test_an_example_becomes_an_object_once(s3: S3, tmp_path: Path) -> None:
    found = s3.buckets / "training" / "hard" / "rate=4+1" / f"{NAME}.npz"
    assert await put(tmp_path / "secrets") == "sent"
    assert found.read_bytes() == DATA
    written = found.stat().st_mtime_ns
    assert await put(tmp_path / "secrets") == "known"
    assert found.stat().st_mtime_ns == written


async def test_content_that_is_not_what_was_signed_is_refused(s3: S3, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="XAmzContentSHA256Mismatch"):
        await put(tmp_path / "secrets", data=packed(seed=1))
    assert not list(s3.buckets.rglob("*.npz"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "another"}, "HTTP 403: SignatureDoesNotMatch"),
        ({"AWS_ACCESS_KEY_ID": "nobody"}, "No user exists with the provided access key ID"),
        ({"AWS_REGION": "us-east-1"}, "HTTP 400: AuthorizationHeaderMalformed"),
        (
            {"AWS_SECRET_ACCESS_KEY": ""},
            "Secret bucket is missing, or lacks AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY",
        ),
    ],
)
async def test_a_wrong_secret_is_told_by_name(s3: S3, tmp_path: Path, changes: dict[str, str], says: str) -> None:
    s3.secret(tmp_path / "secrets" / "bucket", **changes)
    with pytest.raises(SinkError, match=says) as refused:
        await put(tmp_path / "secrets")
    assert "a-secret-of-the-tests" not in str(refused.value)
    assert not list(s3.buckets.rglob("*.npz"))


async def test_a_bucket_that_is_not_there(s3: S3, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="HTTP 404: NoSuchBucket"):
        await put(tmp_path / "secrets", sink="s3://elsewhere")
