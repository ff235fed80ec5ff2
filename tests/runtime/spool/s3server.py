"""A real S3 server, which checks signatures: versitygw, over a folder. What it stored lies there as files."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.ports import free_port
from tests.cluster.process import with_parent
from tests.runtime.spool.ports import listening

ACCESS, SECRET, REGION = "edge", "a-secret-of-the-tests", "eu-west-3"


@dataclass(frozen=True)
class S3:
    """`buckets` is the folder: a bucket is a folder in it, an object a file."""

    url: str
    buckets: Path

    def secret(self, folder: Path, **changes: str) -> None:
        """The keys that a device needs, as files."""
        keys = {
            "AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        for key, value in (keys | changes).items():
            (folder / key).write_text(value + "\n")


@contextlib.asynccontextmanager
async def s3_server(folder: Path) -> AsyncIterator[S3]:
    """With one bucket, `training`. The first call on a machine builds the server (minutes)."""
    program = await asyncio.to_thread(binaries.VERSITYGW.path)
    (folder / "buckets" / "training").mkdir(parents=True)
    port = free_port()
    address = f"127.0.0.1:{port}"
    command = [program, "--port", address, "--access", ACCESS, "--secret", SECRET, "--region", REGION, "--quiet"]
    process = await asyncio.create_subprocess_exec(
        *with_parent([*map(str, command), "posix", "--sidecar", str(folder), str(folder / "buckets")]),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await listening(port)
        yield S3(f"http://{address}", folder / "buckets")
    finally:
        process.terminate()
        await process.wait()
