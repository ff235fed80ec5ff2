"""The data of a self test: golden inputs, what must come out, and labels. Read from a .npz file or from JSON, within
bounds, and nothing in them is ever executed. Used by agent/selftest.py.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from edgewise.api.units import binary
from edgewise_runtime.engines.base import Array
from edgewise_runtime.errors import BadRequestError
from edgewise_runtime.protocol import fields
from edgewise_runtime.protocol.binary import Tail, read_tensors

MOST_BYTES = 32 * 2**20  # of all arrays together: fifty pictures as a model sees them, hundreds as JPEG
_INPUT, _OUTPUT, _LABEL = "input", "output", "label"
_HEADERS: dict[tuple[int, int], Callable[[io.BytesIO], tuple[tuple[int, ...], bool, np.dtype[Any]]]] = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}


class GoldenError(ValueError):
    """Data that cannot be used; says why."""


@dataclass(frozen=True)
class Golden:
    """By name; BYTES are object arrays of bytes, as everywhere."""

    inputs: dict[str, Array] = field(default_factory=dict)
    outputs: dict[str, Array] = field(default_factory=dict)
    labels: dict[str, Array] = field(default_factory=dict)
    """By the output that they are read from."""


def read(data: Path | str) -> Golden:
    """A file, or JSON itself. GoldenError."""
    golden = _inline(data) if isinstance(data, str) else _file(data)
    if not golden.inputs:
        raise GoldenError("there is no input in its data")
    if not golden.outputs and not golden.labels:
        raise GoldenError("its data say neither what must come out nor a label")
    return golden


def _inline(text: str) -> Golden:
    none = Tail(memoryview(b""))
    try:
        message = fields.parse_json(memoryview(text.encode()))
        parts = [read_tensors(message, key, none) for key in ("inputs", "outputs", "labels")]
    except BadRequestError as error:
        raise GoldenError(str(error)) from error
    return Golden(*({tensor.name: tensor.data for tensor in part} for part in parts))


def _file(path: Path) -> Golden:
    golden = Golden()
    places = {_INPUT: golden.inputs, _OUTPUT: golden.outputs, _LABEL: golden.labels}
    try:
        for entry, array in _arrays(path):
            kind, _, name = entry.partition(".")
            if kind not in places or not name:
                raise GoldenError(f"array {entry!r} is none of input.<name>, output.<name> and label.<output>")
            places[kind][name] = array
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError) as error:
        raise GoldenError(f"its file is no .npz: {error}") from error
    return golden


def _arrays(path: Path) -> Iterator[tuple[str, Array]]:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        total = sum(entry.file_size for entry in entries)
        if total > MOST_BYTES:
            raise GoldenError(f"its arrays take {binary(total)}; {binary(MOST_BYTES)} is the most")
        for entry in entries:
            name = entry.filename.removesuffix(".npy")
            with archive.open(entry) as file:  # never gives more than the entry said
                yield name, _array(name, file.read())


def _array(name: str, raw: bytes) -> Array:
    """What numpy.load makes of it; but no header is believed, and no pickle is opened."""
    file = io.BytesIO(raw)
    try:
        shape, by_columns, dtype = _HEADERS[npy.read_magic(file)](file)
    except (KeyError, ValueError) as error:
        raise GoldenError(f"array {name} is no .npy file that can be read: {error}") from error
    if dtype.hasobject or dtype.kind not in "biufSU":
        raise GoldenError(f"array {name} holds {dtype}; numbers, booleans and strings are taken")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(raw) - file.tell():
        raise GoldenError(f"array {name} says {list(shape)} of {dtype}, and has another size")
    array = np.frombuffer(raw, dtype, offset=file.tell()).reshape(shape, order="F" if by_columns else "C")
    return _bytes(array) if dtype.kind in "SU" else array.astype(dtype.newbyteorder("="), copy=False)


def _bytes(texts: Array) -> Array:
    items = np.empty(texts.shape, dtype=object)
    encoded = [text.encode() if isinstance(text, str) else bytes(text) for text in texts.ravel()]
    items.ravel()[:] = encoded
    return items
