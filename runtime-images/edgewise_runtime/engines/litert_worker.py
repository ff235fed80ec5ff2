"""One LiteRT interpreter, made again where a failure or the model's own variables leave it in no state to go on.

An interpreter runs one request at a time; litert.py keeps as many as may run at once.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai_edge_litert.interpreter import Interpreter, load_delegate

from edgewise_runtime.engines.base import Array, EngineFailedError, InputRefusedError

CPU = "CPU"
ERRORS = (RuntimeError, ValueError, OSError)
"""What LiteRT and delegates raise."""
_LIBRARIES = {"EdgeTPU": "libedgetpu.so.1"}
_DELEGATED = "DELEGATE"  # the name of a node that a delegate took
_VARIABLE = "VAR_HANDLE"  # makes a variable that reset_all_variables() does not reset
_TOO_LONG = 16384  # characters of errors that an interpreter may have gathered
_FAILED_NODE = re.compile(r"Node number (\d+) \(")


@dataclass(frozen=True)
class Recipe:
    """How to make an interpreter."""

    path: Path
    provider: str
    """CPU, EdgeTPU, or the path of a delegate library."""
    options: Mapping[str, str]
    """Of the delegate."""
    threads: int


class Worker:
    """Makes its interpreter at once; one of ERRORS where that fails."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._interpreter: Any = None
        self._said = ""
        self.accelerated = bool(self._made())
        """Whether the delegate took any part of the model."""

    @property
    def interpreter(self) -> Any:
        """For looking at; made again if need be."""
        if self._interpreter is None:
            self._made()
        return self._interpreter

    def run(self, feeds: Mapping[int, Array], outputs: Sequence[int]) -> list[Array]:
        """Tensors by their index. InputRefusedError, EngineFailedError."""
        try:
            interpreter = self.interpreter
            self._feed(interpreter, feeds)
            interpreter.invoke()
            return [interpreter.get_tensor(index) for index in outputs]
        except ERRORS as error:
            failure = self._judged(error)
        finally:
            interpreter = None
            if self._stateful:
                self._interpreter = None
        # Raised out here, without the cause: its traceback would hold the delegate, and a device that is not let go
        # cannot be opened again.
        raise failure

    def _made(self) -> frozenset[int]:
        """The nodes that the delegate took."""
        recipe = self.recipe
        delegates = [_delegate(recipe)] if recipe.provider != CPU else None
        interpreter = Interpreter(str(recipe.path), num_threads=recipe.threads, experimental_delegates=delegates)
        names = [node["op_name"] for node in interpreter._get_ops_details()]
        self._delegated = frozenset(number for number, name in enumerate(names) if name == _DELEGATED)
        self._stateful = _VARIABLE in names
        interpreter.allocate_tensors()
        self._shapes = {one["index"]: tuple(one["shape"]) for one in interpreter.get_input_details()}
        self._said = ""
        self._interpreter = interpreter
        return self._delegated

    def _feed(self, interpreter: Any, feeds: Mapping[int, Array]) -> None:
        changed = {index: array.shape for index, array in feeds.items() if array.shape != self._shapes[index]}
        for index, shape in changed.items():
            interpreter.resize_tensor_input(index, shape, strict=True)
        if changed:
            self._shapes = {}  # until it is known to work
            interpreter.allocate_tensors()
            self._shapes = {index: array.shape for index, array in feeds.items()}
        interpreter.reset_all_variables()
        for index, array in feeds.items():
            interpreter.set_tensor(index, array)

    def _judged(self, error: Exception) -> Exception:
        """The CPU's own operations only fail on what they are given: an index out of range, sizes that do not fit."""
        text = self._news(error)
        node = _FAILED_NODE.search(text)
        by_delegate = self._interpreter is None or (node is not None and int(node[1]) in self._delegated)
        if by_delegate or not self._shapes or len(self._said) > _TOO_LONG:
            self._interpreter = None
        return EngineFailedError(text[:500]) if by_delegate else InputRefusedError(text[:500])

    def _news(self, error: Exception) -> str:
        """What this error says. An interpreter repeats with each error all those before it, of other clients too."""
        text = " ".join(str(error).split())
        news = text.removeprefix(self._said).strip()
        if text.startswith(self._said):
            self._said = text
        return news


def told(error: Exception) -> str:
    """What LiteRT and delegates say, on one line."""
    return " ".join(str(error).split())[:500]


def _delegate(recipe: Recipe) -> Any:
    library = _LIBRARIES.get(recipe.provider, recipe.provider)
    ctypes.CDLL(library)  # OSError where it is missing: load_delegate would leave half an object behind
    return load_delegate(library, dict(recipe.options))
