"""KServe's own clients work unchanged. kserve takes 500 MB: it is asked where the bench has installed it."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.serving import rivals
from tests.runtime.serving import Running

SESSION = Path(__file__).with_name("kserve_session.py")

KSERVE = replace(rivals.KSERVE, interpreter=str(Path(sys.executable).with_name("python")))  # as make calls it

pytestmark = pytest.mark.skipif(not KSERVE.installed, reason="`make bench-serving ONLY=kserve` installs the clients")


@pytest.mark.parametrize("kind", ["rest", "grpc"])
async def test_kserves_client_works_unchanged(kind: str, device: Running) -> None:
    address = {"rest": f"http://{device.address}", "grpc": device.grpc_address}[kind]
    client = await asyncio.create_subprocess_exec(KSERVE.python(), SESSION, kind, address, stdout=PIPE, stderr=STDOUT)
    said, _ = await client.communicate()
    assert client.returncode == 0, said.decode()
    assert said.decode().splitlines()[-1] == kind
