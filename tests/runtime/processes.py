"""`edgewise-runtime serve` as a process of its own: what a person starts, and the cloud of the escalation tests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Served:
    """`welcome` is what it printed; `process` may be signalled."""

    process: asyncio.subprocess.Process
    welcome: str

    @property
    def port(self) -> int:
        match = re.search(r"localhost:(\d+)/", self.welcome)
        assert match, self.welcome
        return int(match[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def serving(
    model: Path, *arguments: str, python: str = sys.executable, **environment: str
) -> AsyncIterator[Served]:
    """Serves `model` on a free port until the block ends, with these variables besides ours."""
    process = await asyncio.create_subprocess_exec(
        python, "-m", "edgewise_runtime", "serve", str(model), "--port", "0", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env=os.environ | environment,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        welcome = (await process.stdout.readuntil(b"Ctrl-C ends it.\n")).decode()
        yield Served(process, welcome)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()
