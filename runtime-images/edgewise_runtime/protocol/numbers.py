"""Numbers out of large JSON without a Python object for each of them: simdjson reads a picture three times as fast.

Only where it is plain that nothing is lost by that: flat lists, numbers that all fit. Everything else, and everything
that is wrong, is left to orjson and the standard library, which can say what is. Called by fields.py and jsondata.py.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import simdjson

from edgewise_runtime.engines import memory
from edgewise_runtime.engines.base import Array

SMALLEST = 4096
"""Bytes of JSON: below that, orjson is as fast."""
_Letter = Literal["d", "i", "u"]
_TYPES: dict[str, tuple[_Letter, Any]] = {"f": ("d", np.float64), "i": ("i", np.int64), "u": ("u", np.uint64)}


class Numbers:
    """A flat list of numbers, as far as anybody knows before `array`."""

    def __init__(self, found: simdjson.Array) -> None:
        self._found = found

    def array(self, kind: str, shape: tuple[int, ...]) -> Array | None:
        """Of as many numbers as `shape` takes; `kind`: of numpy's, f (8 bytes), i or u (64 bits). None: `plain` has to
        be looked at, one by one."""
        if kind not in _TYPES or len(self._found) != math.prod(shape):
            return None
        letter, dtype = _TYPES[kind]
        try:
            array = np.frombuffer(self._found.as_buffer(of_type=letter), dtype)
        except (ValueError, TypeError):
            return None
        return array if len(array) == len(self._found) else None

    def plain(self) -> list[Any]:
        return self._found.as_list()


class _Reader:
    """Keeps simdjson's memory for the next request: to map it anew takes longer than to read a picture."""

    def __init__(self) -> None:
        self._parser: Any = None
        memory.held_by(self)

    def read(self, raw: memoryview) -> Any:
        """The document; ValueError where it is not JSON, or beyond what simdjson reads."""
        try:
            return self._kept().parse(raw)
        except RuntimeError:  # somebody still holds a document of this parser; or an integer is too large for it
            self.release()
        try:
            return self._kept().parse(raw)
        except RuntimeError as error:
            raise ValueError(str(error)) from None

    def _kept(self) -> Any:
        parser = self._parser or simdjson.Parser()
        self._parser = parser
        return parser

    def release(self) -> None:
        """Nothing was asked for a while. Called from any thread."""
        self._parser = None


_reader = _Reader()


def parse(raw: memoryview) -> Any:
    """As json.loads of an object, but the data of its inputs is Numbers. ValueError where another reader should look:
    at all that is not JSON, and at lists within lists."""
    document = _reader.read(raw)
    message = _members(document)
    inputs = [_members(item) for item in _elements(message.pop("inputs", None))]
    lists = 1 + sum(isinstance(value, simdjson.Array) for part in (message, *inputs) for value in part.values())
    if _openings(raw) != lists:  # more of them: lists within lists, whose form as_buffer does not tell
        raise ValueError("not flat")
    return {key: _plain(value) for key, value in message.items()} | {"inputs": [_input(item) for item in inputs]}


def _members(value: Any) -> dict[str, Any]:
    """Of an object, lists and objects not read yet."""
    keys = list(value) if isinstance(value, simdjson.Object) else []
    if not keys or len(set(keys)) < len(keys):  # of two with one name, JSON means the last and simdjson the first
        raise ValueError("no object")
    if any("\0" in key for key in keys):  # which ends a name for simdjson: it would give another member, or none
        raise ValueError("a name with NUL")
    return {key: value[key] for key in keys}


def _elements(value: Any) -> list[Any]:
    """Of a list, in the same way."""
    if not isinstance(value, simdjson.Array):
        raise ValueError("no list")
    return list(value)


def _openings(raw: memoryview) -> int:
    return int(np.count_nonzero(np.frombuffer(raw, np.uint8) == ord("[")))


def _input(item: dict[str, Any]) -> dict[str, Any]:
    data = item.get("data")
    plain = {key: _plain(value) for key, value in item.items() if key != "data"}
    return plain | {"data": Numbers(data) if isinstance(data, simdjson.Array) else _plain(data)}


def _plain(value: Any) -> Any:
    if isinstance(value, simdjson.Object):
        return value.as_dict()
    return value.as_list() if isinstance(value, simdjson.Array) else value
