"""Makes one run of several requests: which may share one, how they are joined and parted, whether it pays.

Only models whose rows were found not to know of each other (tuning/trial.py) get here. A run that fails is done again
one by one, so that a poisoned request fails alone. Called by dispatch.py and, in worker threads, by workers.py.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgewise_runtime.engines.base import Array, Session
from edgewise_runtime.scheduling.call import Call, Outcome

_NEWEST = 0.1  # weight of the newest shared run in what sharing gains
_REST = 60.0  # seconds that a model which gains nothing runs one by one before it is tried again


class NotPartedError(RuntimeError):
    """An output whose rows are not those of the input: there is no telling whose is whose."""


def rows_of(feeds: Mapping[str, Array]) -> int:
    """The first dimension, where all inputs have the same; else 0."""
    rows = None
    for array in feeds.values():
        first = array.shape[0] if array.shape else 0
        if rows not in (None, first):
            return 0
        rows = first
    return rows or 0


def kind_of(feeds: Mapping[str, Array], names: Sequence[str]) -> Hashable:
    """What calls must have in common to share a run; None: this one runs alone."""
    if not rows_of(feeds) or any(array.dtype.hasobject for array in feeds.values()):
        return None
    return (tuple(names), *((name, array.dtype.str, array.shape[1:]) for name, array in feeds.items()))


def joined(calls: Sequence[Call]) -> dict[str, Array]:
    return {name: np.concatenate([call.feeds[name] for call in calls]) for name in calls[0].feeds}


def parted(arrays: Sequence[Array], calls: Sequence[Call]) -> list[list[Array]]:
    """Each call's rows of every output, as views. NotPartedError."""
    ends = np.cumsum([call.rows for call in calls])
    if any(array.ndim == 0 or array.shape[0] != ends[-1] for array in arrays):
        raise NotPartedError(f"{ends[-1]} rows in, {[array.shape for array in arrays]} out")
    return [[array[end - call.rows : end] for array in arrays] for call, end in zip(calls, ends, strict=True)]


@dataclass(frozen=True)
class Ran:
    """What came of a group."""

    outcomes: list[Outcome]
    """One a call, in their order."""
    seconds: float
    together: bool = True
    """False: the shared run failed, and every call ran by itself."""

    @property
    def sharing_failed(self) -> bool:
        """Nobody's input was at fault: it is the sharing that this model does not bear."""
        return not self.together and all(isinstance(outcome, list) for outcome in self.outcomes)


def run(session: Session, calls: Sequence[Call]) -> Ran:
    """In a worker thread. Never raises what an engine raises: it is among the outcomes."""
    started = time.perf_counter()
    together = True
    if len(calls) == 1:
        outcomes = [_alone(session, calls[0])]
    else:
        try:
            outcomes = list[Outcome](parted(session.run(joined(calls), calls[0].names), calls))
        except Exception:  # noqa: BLE001  whose fault it is shows when each runs by itself
            together, outcomes = False, [_alone(session, call) for call in calls]
    return Ran(outcomes, time.perf_counter() - started, together)


def _alone(session: Session, call: Call) -> Outcome:
    try:
        return session.run(call.feeds, call.names)
    except Exception as error:  # noqa: BLE001  it is this call's outcome
        return error


@dataclass
class Gain:
    """Whether sharing pays for one model: measured by the tuner, kept up to date by what is seen."""

    value: float = 1.0
    """Seconds that calls take one by one, over seconds they take together."""
    _tuned: float = 1.0
    _resting_until: float = 0.0

    @classmethod
    def measured(cls, value: float) -> Gain:
        return cls(value, value)

    def pays(self, now: float) -> bool:
        return now >= self._resting_until

    def learn(self, alone: float, together: float, now: float) -> None:
        """Takes in one shared run. `alone`: seconds its calls were expected to take one by one."""
        self.value += _NEWEST * (alone / together - self.value)
        if self.value < 1.0:
            self._resting_until = now + _REST
            self.value = self._tuned
