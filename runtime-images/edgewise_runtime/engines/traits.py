"""What else there is to know of a session, for those who schedule, lend and name it. A plain one is PLAIN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgewise_runtime.engines.base import Session, TensorSpec


@dataclass
class Timing:
    """Of one step, since it was loaded. Written by the threads that run it."""

    runs: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Traits:
    """The defaults are those of a plain model: tensors in, tensors out."""

    hidden: tuple[TensorSpec, ...] = ()
    """Outputs that are given when they are asked for by name, and only then: the tensors behind labels and boxes."""
    members: tuple[Session, ...] = ()
    """Sessions of others that this one calls: they must stay open as long as it runs."""
    rows_independent: bool = True
    """Whether row n of each output is the answer to row n of the inputs, so that requests may share a run."""
    steady: bool = True
    """Whether the number of bytes in a request tells how long it takes. It does not where they are pictures."""
    rereads: bool = False
    """Whether it opens its file again later: the path must be good for as long as the session is."""
    remote: bool = False
    """Whether nothing runs here, and targets have to be asked: a gateway's."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What the model's file says of itself."""
    timings: Mapping[str, Timing] = field(default_factory=dict)
    """By step, of a session that has several."""


PLAIN = Traits()


def traits_of(session: Session) -> Traits:
    traits: Traits = getattr(session, "traits", PLAIN)
    return traits
