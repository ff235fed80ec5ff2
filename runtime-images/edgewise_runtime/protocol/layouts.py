"""Remembers JSON parts: a client that sends tensor after tensor repeats the words around them byte for byte.

Only of requests whose inputs are all binary, so that what is remembered holds no data. Called by requests.py, which
reads everything that is new; a layout gives the same request, or none, in a tenth of the time. gRPC remembers its
messages with the same Layout.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from edgewise_runtime.protocol.datatypes import BYTES, item_size, unpack
from edgewise_runtime.protocol.messages import InferRequest, Tensor

LONGEST = 2048
"""Bytes of a JSON part worth remembering."""
_MOST = 256  # with LONGEST: all of them together stay below 2 MiB, whatever clients send

Span = tuple[int, int]
"""Where something begins and ends."""


@dataclass(slots=True)
class Slot:
    """Where a tensor lies."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    start: int
    end: int

    def cut(self, raw: memoryview) -> Tensor:
        data = unpack(raw[self.start : self.end], self.datatype, self.shape, self.name)
        return Tensor(self.name, self.datatype, data)


@dataclass(slots=True)
class Layout:
    """A request without its tensors."""

    request: InferRequest
    slots: list[Slot]

    @classmethod
    def of(cls, request: InferRequest, spans: Iterable[Span]) -> Layout:
        """`spans`: of its tensors, in their order. It keeps none of their bytes."""
        pairs = zip(request.inputs, spans, strict=True)
        slots = [Slot(tensor.name, tensor.datatype, tensor.shape, *span) for tensor, span in pairs]
        return cls(replace(request, inputs=()), slots)

    def fill(self, raw: memoryview, model: str, version: str) -> InferRequest:
        """The same request with the tensors in `raw`. BadRequestError of these."""
        inputs = tuple([slot.cut(raw) for slot in self.slots])
        known = self.request
        return InferRequest(
            model, inputs, version, known.id, known.parameters, known.outputs, known.binary, known.binary_default,
            known.timeout,
        )  # fmt: skip


class Layouts:
    """Used from one thread at a time."""

    def __init__(self) -> None:
        self._known: dict[bytes, Layout] = {}

    def read(self, raw: bytes, tail: memoryview, model: str, version: str) -> InferRequest | None:
        """The request of JSON part and binary data; None where it has to be read. BadRequestError of the data alone."""
        layout = self._known.get(raw)
        if layout is None or len(tail) != layout.slots[-1].end:
            return None
        return layout.fill(tail, model, version)

    def learn(self, raw: bytes, tail: memoryview, request: InferRequest) -> None:
        """Remembers a request as it was read, if all of its inputs lie in `tail`, and none of them is BYTES."""
        spans, at = [], 0
        for tensor in request.inputs:
            if tensor.datatype == BYTES:
                return
            end = at + math.prod(tensor.shape) * item_size(tensor.datatype)
            spans.append((at, end))
            at = end
        if at != len(tail):  # an input that came as JSON is in none of these bytes
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[raw] = Layout.of(request, spans)
