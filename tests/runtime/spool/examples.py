"""Hard requests for the spool's tests, and what makes a store or a spool of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.contract.plan import PlanSpool
from edgewise_runtime.protocol.messages import InferRequest, InferResponse, Tensor
from edgewise_runtime.spool.example import Example
from edgewise_runtime.spool.record import Origin, encode
from edgewise_runtime.spool.store import Limits, Store

ORIGIN = Origin("pi-17", "factory/digits")
NOW = 1_763_700_000.0


def example(confidence: float | None = 0.4, size: int = 8, seed: int = 0, **request: Any) -> Example:
    """`size`: numbers of its one input, which hardly compress."""
    numbers = np.random.default_rng(seed).standard_normal((1, size)).astype(np.float32)
    asked = InferRequest("digits", (Tensor("x", "FP32", numbers),), **request)
    logits = np.array([[0.1, 0.2]], np.float32)
    given = InferResponse("digits", "2.1.0", (Tensor("logits", "FP32", logits),), None, {"edgewise_source": "device"})
    return Example(asked, given, confidence, "LowConfidence", "r1")


def packed(size: int = 8, seed: int = 0) -> bytes:
    """One as a file."""
    return encode(example(size=size, seed=seed), ORIGIN, NOW + seed)


def store(folder: Path, size: int = 2**20, age: float = 3600.0) -> tuple[Store, Counter[str]]:
    """An opened one, and its drops by reason."""
    dropped = Counter[str]()
    opened = Store(folder, Limits(size, age), lambda reason: dropped.update([reason]))
    opened.open()
    return opened, dropped


def files(folder: Path) -> list[Path]:
    """Finished examples in `folder`."""
    return sorted(folder.glob("*.npz"))


def on_disk(folder: Path) -> int:
    """Bytes that whatever lies in `folder` takes, as a file system counts at least."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.iterdir()) if folder.is_dir() else 0


def wanted(**changes: Any) -> PlanSpool:
    """What a plan says, roomy and without a sink but for `changes`."""
    return PlanSpool(**({"max_bytes": 2**22, "max_age_seconds": 3600.0} | changes))
