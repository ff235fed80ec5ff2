"""What both transports are to Targets, and what they have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol

from edgewise_runtime.errors import BadRequestError
from edgewise_runtime.escalation.targets.interface import Interface
from edgewise_runtime.escalation.targets.papers import Papers
from edgewise_runtime.escalation.targets.question import NoHelpError, Question, Reply

MAX_REPLY = 64 * 2**20
"""Bytes of an answer; a larger one is no help."""
IDLE_SECONDS = 60.0
"""How long a connection is kept without a question: many a router forgets one that is silent for longer."""
_SHOWN = 200  # characters of what a target says; all of it is the target's, and may be anything


class Transport(Protocol):
    """One target in one protocol."""

    async def ask(self, question: Question, papers: Papers, timeout: float) -> Reply:
        """OSError where there is no connection, NoHelpError where there was one. `timeout`: seconds until the caller
        gives up; to be told, where the protocol has words for it."""

    async def interface(self, model: str, papers: Papers, timeout: float) -> Interface:
        """What `model` takes and gives, by its name here. Fails as `ask` does."""

    async def close(self) -> None:
        """Of all connections."""


@contextlib.contextmanager
def reading(spent: int) -> Iterator[None]:
    """What cannot be read in here is no help. `spent`: bytes of question and answer."""
    try:
        yield
    except (BadRequestError, ValueError) as error:
        raise NoHelpError("invalid", f"its answer cannot be read: {error}", spent) from None


def quoted(text: str, papers: Papers) -> str:
    """What a target says, fit for our log."""
    return papers.hide(text)[:_SHOWN]
