"""Devices that do not let everybody in, for the tests of every transport."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.api.access import RateLimit
from edgewise.contract.plan import PlanServing
from tests.runtime import tinyonnx
from tests.runtime.issuer import Issuer
from tests.runtime.serving import Running, running, served

TOKEN = "0123456789abcdef0123456789abcdef"


@contextlib.asynccontextmanager
async def guarded(tmp_path: Path, **settings: Any) -> AsyncIterator[Running]:
    """Serves `linear`, which gives back what it gets."""
    async with running(served(tinyonnx.linear(tmp_path, np.eye(2))), **settings) as device:
        yield device


def by_token(tmp_path: Path) -> dict[str, Any]:
    """Settings: one client, `camera`, with TOKEN."""
    (tmp_path / "clients").mkdir()
    (tmp_path / "clients" / "camera").write_text(TOKEN)
    return {"tokens_folder": str(tmp_path / "clients")}


def by_certificate(tmp_path: Path, issuer: Issuer, clients: Issuer | None = None) -> dict[str, Any]:
    """Settings: TLS with a certificate of `issuer`; clients need one of `clients`, if given."""
    settings = {"certificate_folder": str(issuer.server().write(tmp_path / "digits-tls"))}
    if clients is not None:
        (tmp_path / "clients-ca").mkdir()
        (tmp_path / "clients-ca" / "ca.crt").write_bytes(clients.ca)
        settings["client_ca_file"] = str(tmp_path / "clients-ca" / "ca.crt")
    return settings


def limit(device: Running, rate: RateLimit | None) -> None:
    """As a plan brings it."""
    device.server.configure(PlanServing(rate_limit=rate), None)


async def curl(*arguments: str) -> str:
    """The status it got; 000: none."""
    process = await asyncio.create_subprocess_exec(
        "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *arguments, stdout=asyncio.subprocess.PIPE
    )
    return (await process.communicate())[0].decode()
