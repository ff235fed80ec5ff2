"""Remembers requests byte for byte, but for their tensors: clients repeat them, and what they say is worked out once.

Also tells where in a message of some size its first tensor will lie, so that it can be received where it can stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgewise_runtime.protocol.messages import InferRequest

_KNOWN = 64
_LONGEST = 1024  # bytes beside the tensors: all that is remembered stays below 64 KiB

Span = tuple[int, int]
"""Where something begins and ends."""


@dataclass(frozen=True)
class Layout:
    """A request that came before."""

    request: InferRequest
    """Its tensors count for their names, datatypes and shapes only."""
    spans: tuple[Span, ...]
    """Of its tensors."""
    gaps: tuple[tuple[int, int, bytes], ...]
    """All the rest: begin, end, content."""


_known: dict[int, Layout] = {}


def known(message: memoryview) -> Layout | None:
    """The layout of a message that differs from another one in the content of its tensors only."""
    layout = _known.get(len(message))
    if layout is None or any(message[start:end] != content for start, end, content in layout.gaps):
        return None
    return layout


def learn(message: memoryview, spans: Sequence[Span], request: InferRequest) -> None:
    """The newest of each size is remembered."""
    edges = [0, *(edge for span in spans for edge in span), len(message)]
    gaps = tuple((start, end, bytes(message[start:end])) for start, end in zip(edges[::2], edges[1::2], strict=True))
    if sum(len(content) for _, _, content in gaps) > _LONGEST:
        return
    if len(_known) >= _KNOWN:
        _known.clear()
    _known[len(message)] = Layout(request, tuple(spans), gaps)


def tensor_at(size: int) -> int:
    """Where the first tensor of a message of `size` bytes is likely to begin."""
    layout = _known.get(size)
    return layout.spans[0][0] if layout is not None else 0
