"""Deltas of a test: made, and applied again as a device would."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from edgewise_runtime.deltas.applying import Wanted, apply
from edgewise_runtime.deltas.encoding import Files, delta

LEVEL = 3  # of zstd: these tests are not about its last bytes


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def made(old: bytes, new: bytes) -> bytes:
    return delta(Files(old, new, LEVEL))


def applied(folder: Path, old: bytes, change: bytes, new: bytes, most: int = 2**30) -> bytes:
    """What a device that has `old` and wants `new` makes of `change`. DeltaError where it makes nothing."""
    base, file, target = folder / "base", folder / "delta", folder / "target"
    base.write_bytes(old)
    file.write_bytes(change)
    wanted = Wanted(sha256(new), most, sha256(old) if old else "")
    size = apply(file, base if old else None, target, wanted)
    content = target.read_bytes()
    assert size == len(content)
    return content


def weights(count: int, seed: int = 1) -> np.ndarray:
    """As a layer's: float32, around 0."""
    return np.random.default_rng(seed).normal(0, 0.05, count).astype(np.float32)
