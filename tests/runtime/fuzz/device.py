"""The server that is fuzzed, as a process of its own: its memory is measured, and a crash ends nothing else.

`python -m tests.runtime.fuzz.device FOLDER` serves, for each datatype, a model that gives back what it got: an answer
then says what the server understood.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen

import uvloop

from tests.runtime import tinyonnx
from tests.runtime.serving import running, served

PATIENCE = 1.0
"""Seconds a body may take: short, as what is never sent in full holds the fuzzer up; long for a busy machine."""
MAX_BODY, MAX_JSON = 200_000, 100_000


@dataclass(frozen=True)
class FuzzedDevice:
    """A running one. `log`: what it had to say; an answer of 400 is nothing to speak of."""

    pid: int
    http_port: int
    grpc_port: int
    log: Path

    def outcries(self) -> list[str]:
        """Errors it did not expect itself: each would be a line in the log of a real device, and worth a look."""
        return [line for line in self.log.read_text().splitlines() if "Traceback" in line or "never" in line]


async def _serve(folder: Path) -> None:
    models = [served(tinyonnx.echo(folder, datatype, ["n", "m"])) for datatype in tinyonnx.ONNX_TYPES]
    async with running(*models, max_body=MAX_BODY, max_json=MAX_JSON, body_timeout=PATIENCE, workers=1) as device:
        ports = {"http_port": device.server.http_port, "grpc_port": device.server.grpc_port}
        print(json.dumps(ports), flush=True)
        await asyncio.to_thread(sys.stdin.read)


@contextlib.contextmanager
def fuzzed_device(folder: Path) -> Iterator[FuzzedDevice]:
    """On until the block ends; RuntimeError where it ended before. Its models and its log are in `folder`."""
    argv, log = [sys.executable, "-m", __name__, str(folder)], folder / "log"
    with log.open("w") as errors, Popen(argv, stdin=PIPE, stdout=PIPE, stderr=errors) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield FuzzedDevice(process.pid, **json.loads(process.stdout.readline()), log=log)
            if process.poll() is not None:
                raise RuntimeError(f"the device ended with status {process.returncode}")
        finally:
            process.stdin.close()


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1])))
