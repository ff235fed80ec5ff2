"""Runs a model on any number of pictures, a few at a time, those of like shape together. Called by stages.py.

Some models take one picture at once, others any number; pictures that are padded to the widest of their batch cost
least among their like. Whatever the order, the answers come back in the order of the pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from edgewise_runtime.engines.base import Array, InputRefusedError, TensorSpec
from edgewise_runtime.processing.readers import IMAGE
from edgewise_runtime.processing.session import ProcessedSession
from edgewise_runtime.protocol.datatypes import BYTES, dtype_of

AT_ONCE = 4  # on a CPU more are no faster, and take memory by the picture


def run(
    session: ProcessedSession, images: Sequence[Image.Image], feeds: Mapping[str, Array], names: Sequence[str]
) -> dict[str, Array]:
    """{name: answer} for all of `images`; empty arrays where there are none. Errors as of Session.run."""
    if not images:
        return {spec.name: empty(spec) for spec in _specs(session) if spec.name in names}
    order = sorted(range(len(images)), key=lambda index: images[index].width / images[index].height)
    asked = [*names, IMAGE] if session.finds_many and IMAGE not in names else list(names)
    parts, size = [], min(session.at_once or AT_ONCE, AT_ONCE)
    for batch in (order[start : start + size] for start in range(0, len(order), size)):
        arrays = dict(zip(asked, session.run_on([images[index] for index in batch], feeds, asked), strict=True))
        parts.append(_numbered(arrays, batch) if session.finds_many else arrays)
    together = {name: _together(name, [part[name] for part in parts]) for name in asked}
    found = {spec.name for spec in session.outputs} if session.finds_many else set()
    rows = np.argsort(together[IMAGE], kind="stable") if session.finds_many else None
    places = np.argsort(order)
    return {name: together[name][rows if name in found else places] for name in names}


def empty(spec: TensorSpec) -> Array:
    """No rows of `spec`."""
    shape = (0, *(max(size, 0) for size in spec.shape[1:]))
    return np.zeros(shape, object if spec.datatype == BYTES else dtype_of(spec.datatype))


def _together(name: str, arrays: Sequence[Array]) -> Array:
    if len({array.shape[1:] for array in arrays}) > 1:
        raise InputRefusedError(f"{name} has another size for each of these pictures; ask for it with one picture")
    return np.concatenate(arrays)


def _numbered(arrays: dict[str, Array], batch: Sequence[int]) -> dict[str, Array]:
    """Says of which of all pictures a row is, instead of which in its batch."""
    return {**arrays, IMAGE: np.asarray(batch, np.int64)[arrays[IMAGE]]}


def _specs(session: ProcessedSession) -> tuple[TensorSpec, ...]:
    return (*session.outputs, *session.traits.hidden)
