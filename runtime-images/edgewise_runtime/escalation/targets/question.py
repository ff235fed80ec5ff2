"""What is asked of a target, and what came of it. Passed between the policy and the transports; knows neither."""

from __future__ import annotations

from dataclasses import dataclass

from edgewise_runtime.protocol.messages import InferRequest, InferResponse


class NoHelpError(Exception):
    """A target did not help. Its message holds no credentials.

    `result` is the label of the escalation counter: timeout, unreachable, refused, invalid; rejected, where the
    request itself was wrong; unconfigured, where nothing was sent because a Secret is missing or cannot be used."""

    def __init__(self, result: str, message: str, spent: int = 0) -> None:
        """`spent`: bytes that passed over the link all the same, both ways."""
        super().__init__(message)
        self.result = result
        self.spent = spent


@dataclass(frozen=True)
class Question:
    """A request on its way out, in no transport's words yet. Its `outputs` are those that are wanted."""

    request: InferRequest
    hops: int = 0
    """How often it was passed on before."""

    @property
    def size(self) -> int:
        """Bytes of its tensors: what it costs to send, but for compression and a few hundred bytes of names."""
        return self.request.nbytes


@dataclass(frozen=True)
class Reply:
    """What came back. `sent` and `received`: bytes of the two bodies, as they passed over the link."""

    response: InferResponse
    sent: int
    received: int
