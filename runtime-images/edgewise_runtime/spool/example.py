"""One hard request, as the data plane hands it over: what was asked, and what the device made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from edgewise_runtime.protocol.messages import InferRequest, InferResponse

Reason = Literal["LowConfidence", "Overloaded", "Unavailable"]
"""Why an example is one."""

Loss = Literal["full", "large", "age", "busy", "disk", "corrupt", "unwanted", "off", "error"]
"""Why one was dropped, as the metric says it and docs/hybrid.md explains it."""


@dataclass(frozen=True)
class Example:
    """Its tensors may be views of buffers that live as long as it does; nobody writes to them."""

    request: InferRequest
    response: InferResponse | None
    """The answer that the client got; None: it got an error."""
    confidence: float | None
    """Of the device's own answer. None: it gave none."""
    reason: Reason
    release: str
    """Served when the request came in; empty: none."""

    @property
    def nbytes(self) -> int:
        """Of all its tensors."""
        return self.request.nbytes + sum(tensor.nbytes for tensor in (self.response.outputs if self.response else ()))


class Offers(Protocol):
    """What the data plane knows of a spool."""

    def offer(self, example: Example) -> None:
        """Takes no time and never fails: what cannot be kept is counted as dropped. On the event loop only, and never
        for a private request."""
