"""The models that answer requests now, swapped as a whole. The agent replaces them, the data plane borrows them.

Everything here runs on the event loop, so nothing needs a lock: a swap happens between two requests, and a session that
is no longer wanted is closed when the last request that borrowed it has ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

from edgewise.api.edgemodel import Confidence
from edgewise.api.names import Reason
from edgewise.contract.report import Counters
from edgewise_runtime.engines.base import ModelLoadError, Session
from edgewise_runtime.errors import NotFoundError, UnavailableError, shown

_RELEASES_COUNTED = 8  # the served one and those before it: reports stay small however long a device lives


@dataclass(frozen=True)
class ServedModel:
    """A loaded model under its public name. ModelLoadError where its confidence names an output it does not have."""

    name: str
    version: str
    variant: str
    session: Session
    task: str = "Other"
    confidence: Confidence | None = None

    def __post_init__(self) -> None:
        if self.confidence is None or self.confidence.method == "None":
            return
        outputs = {spec.name: spec.datatype for spec in self.session.outputs}
        if outputs.get(self.confidence.output, "BYTES") == "BYTES":
            raise ModelLoadError(
                Reason.LOAD_FAILED,
                f"confidence.output {self.confidence.output!r} is no numeric output of {self.name}: {sorted(outputs)}",
            )


@dataclass(frozen=True)
class Record:
    """What one answered request adds to its release's counters."""

    seconds: float
    failed: bool = False
    escalated: bool = False


@dataclass
class _Tally:
    requests: int = 0
    failures: int = 0
    escalated: int = 0
    seconds: float = 0.0

    def add(self, record: Record) -> None:
        self.requests += 1
        self.failures += record.failed
        self.escalated += record.escalated
        self.seconds += record.seconds


@dataclass
class _Loan:
    """How many requests hold a session, and whether it goes when the last one returns it."""

    session: Session
    holders: int = 0
    retired: bool = False

    def close_if_free(self) -> bool:
        if self.retired and self.holders == 0:
            self.session.close()
            return True
        return False


@dataclass
class Models:
    """Empty until the first `replace`."""

    release: str | None = None
    _served: dict[str, ServedModel] = field(default_factory=dict)
    _loans: dict[int, _Loan] = field(default_factory=dict)
    _tallies: dict[str, _Tally] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        return bool(self._served)

    def current(self) -> Mapping[str, ServedModel]:
        """{name: model} as served now; a snapshot."""
        return MappingProxyType(dict(self._served))

    def replace(self, models: Mapping[str, ServedModel], release: str) -> None:
        """Requests that come after this call are answered by `models` alone; a session in both is kept open."""
        self._served = dict(models)
        self.release = release
        self._tally(release)
        wanted = {id(model.session) for model in models.values()}
        for model in models.values():
            self._loans.setdefault(id(model.session), _Loan(model.session))
        for key, loan in list(self._loans.items()):
            loan.retired = key not in wanted
            if loan.close_if_free():
                del self._loans[key]

    def find(self, name: str, version: str | None = None) -> ServedModel:
        """The model of that name, and version if given. NotFoundError; UnavailableError before the first load."""
        model = self._served.get(name)
        if model is None and not self._served:
            raise UnavailableError("no model is loaded yet; try again soon")
        if model is None:
            raise NotFoundError(f"no model {shown(name)} here; there is {', '.join(sorted(self._served))}")
        if version and version != model.version:
            raise NotFoundError(f"{name} has version {model.version} here, not {shown(version)}")
        return model

    @contextmanager
    def acquire(self, name: str, version: str | None = None) -> Iterator[ServedModel]:
        """Borrows a model: its session stays open until the block ends, whatever `replace` does. Errors of `find`."""
        model = self.find(name, version)
        key = id(model.session)
        loan = self._loans[key]
        loan.holders += 1
        try:
            yield model
        finally:
            loan.holders -= 1
            if loan.close_if_free():
                del self._loans[key]

    def count(self, release: str | None, record: Record) -> None:
        """Adds one request to the release that served when it came in."""
        if release is not None:
            self._tally(release).add(record)

    def counters(self) -> dict[str, Counters]:
        """Totals since boot, of the newest releases."""
        return {
            release: Counters(
                requests=t.requests, failures=t.failures, escalated=t.escalated, seconds=round(t.seconds, 6)
            )
            for release, t in self._tallies.items()
        }

    def _tally(self, release: str) -> _Tally:
        tally = self._tallies.setdefault(release, _Tally())
        for oldest in list(self._tallies)[:-_RELEASES_COUNTED]:
            del self._tallies[oldest]
        return tally
