"""What a server serves in the tests marked `protocol`, so that they can be asked of any: one in this process, or one
that runs elsewhere, perhaps on another processor.

EDGEWISE_TEST_URL names that one (http://host:port); EDGEWISE_TEST_GRPC and EDGEWISE_TEST_METRICS its other ports
(host:port).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from edgewise.api.confidence import Confidence
from edgewise.contract.plan import Build, Plan, PlanRelease, ProfilePlan, ReleaseModel
from tests.runtime import tinyonnx
from tests.runtime.agent.documents import plan, source
from tests.runtime.serving import Addresses, Device

LIMITS: dict[str, Any] = {"max_body": 100_000, "max_json": 50_000, "body_timeout": 2.0}
"""Settings whose errors the tests expect."""


@dataclass(frozen=True)
class Example:
    """One model of the suite."""

    path: Path
    name: str
    version: str = "1"
    confidence: Confidence | None = None


def examples(folder: Path) -> list[Example]:
    """Made in `folder`."""
    weights = np.array([[2.0, -1.0], [0.0, 3.0]])
    return [
        Example(tinyonnx.linear(folder, weights), "linear", "2.1.0", Confidence(output="logits")),
        Example(tinyonnx.subtract(folder), "subtract"),
        Example(tinyonnx.echo(folder, "BYTES", ["n"]), "echo"),
        Example(tinyonnx.picky(folder), "picky"),
    ]


def planned(models: list[Example], profile: str, uri: Callable[[str], str]) -> Plan:
    """The plan that has devices of `profile` serve them, from where `uri` says that a file is."""
    release = PlanRelease(name="r1", models=[_released(model, uri(model.path.name)) for model in models])
    variants = {release.name: {model.name: "fp32" for model in models}}
    return plan(1, release, profiles={profile: ProfilePlan(engine="ONNXRuntime", variants=variants)})


@contextlib.asynccontextmanager
async def elsewhere() -> AsyncIterator[Device | None]:
    """The server that the environment names; None where it names none."""
    url = os.environ.get("EDGEWISE_TEST_URL", "").rstrip("/")
    if not url:
        yield None
        return
    grpc, metrics = (os.environ.get(f"EDGEWISE_TEST_{name}", "") for name in ("GRPC", "METRICS"))
    async with aiohttp.ClientSession(url) as http:
        yield Device(Addresses(url.partition("://")[2], grpc, metrics), http)


def environment(addresses: Addresses) -> dict[str, str]:
    """What `elsewhere` reads."""
    return {
        "EDGEWISE_TEST_URL": f"http://{addresses.http}",
        "EDGEWISE_TEST_GRPC": addresses.grpc,
        "EDGEWISE_TEST_METRICS": addresses.metrics,
    }


def _released(model: Example, uri: str) -> ReleaseModel:
    build = Build(
        variant="fp32", format="ONNX", precision="FP32", source=source(uri, model.path.read_bytes()), memory=2**20
    )
    return ReleaseModel(
        name=model.name, version=model.version, task="Other", confidence=model.confidence, builds=[build]
    )
