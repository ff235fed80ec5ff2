"""Which files the deployments of this node need that share the cache folder: none of their pods throws them out for its
own. Asked by agent/switching.py when it makes room, and by agent/housekeeping.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from edgewise.contract.plan import PLAN_KEY, Plan
from edgewise_runtime.agent.lastgood import pinned


def needed(cache: Path) -> frozenset[str]:
    """sha256 of what they would serve after a restart, and of what their plans name: builds for other hardware among
    it, which are not here anyhow. Blocks: reads a small file for each deployment."""
    return pinned(cache).union(*(_named(plan) for plan in _plans(cache)))


def _named(plan: Plan) -> frozenset[str]:
    models = [model for release in plan.releases for model in release.models]
    found = {build.source.sha256 for model in models for build in model.builds}
    found |= {model.self_test.sha256 for model in models if model.self_test and model.self_test.sha256}
    proofs = (model.verification for model in models if model.verification is not None)
    return frozenset(found.union(*({one.sha256 for one in (p.signature, p.manifest) if one} for p in proofs)))


def _plans(cache: Path) -> Iterator[Plan]:
    for path in cache.glob(f"*/{PLAN_KEY}"):
        with contextlib.suppress(OSError, ValidationError):
            yield Plan.model_validate_json(path.read_bytes())
