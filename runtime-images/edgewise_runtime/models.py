"""The models that answer requests now, swapped as a whole. The agent replaces them, the data plane borrows them.

Everything here runs on the event loop, so nothing needs a lock: a swap happens between two requests, and a session that
is no longer wanted is closed when the last request that borrowed it has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from edgewise.api.confidence import Confidence, Task
from edgewise_runtime.engines.base import Session, TensorSpec
from edgewise_runtime.engines.traits import traits_of
from edgewise_runtime.errors import ChangingError, NotFoundError, UnavailableError, shown
from edgewise_runtime.escalation.confidence import Sureness, sureness_of
from edgewise_runtime.tallies import Tallies
from edgewise_runtime.tuning.choice import Choice

_UNMEASURED = Choice()


@dataclass(frozen=True)
class ServedModel:
    """A loaded model under its public name. ModelLoadError where its confidence names an output it does not have."""

    name: str
    version: str
    variant: str
    session: Session
    task: Task = "Other"
    confidence: Confidence | None = None
    choice: Choice = _UNMEASURED
    """How it runs best on this device."""
    signer: str = ""
    """Whose signature it bears, by the key's fingerprint; empty: nobody asked for one."""

    def __post_init__(self) -> None:
        _ = self.sureness  # its error belongs here, not to the first request

    @cached_property
    def output_specs(self) -> Mapping[str, TensorSpec]:
        """All outputs that may be asked for by name, hidden ones included."""
        return {spec.name: spec for spec in (*self.session.outputs, *self.hidden)}

    @cached_property
    def input_specs(self) -> Mapping[str, TensorSpec]:
        return {spec.name: spec for spec in self.session.inputs}

    @cached_property
    def sureness(self) -> Sureness | None:
        """How sure an answer is is read off it like this; None: nobody can tell."""
        return sureness_of(self.task, self.confidence, self.session.outputs, self.hidden)

    @cached_property
    def output_names(self) -> tuple[str, ...]:
        """Those given to clients who name none."""
        return tuple(spec.name for spec in self.session.outputs)

    @cached_property
    def hidden(self) -> tuple[TensorSpec, ...]:
        """Outputs that are given to those who name them, and to nobody else."""
        return traits_of(self.session).hidden

    @cached_property
    def remote(self) -> bool:
        """Nothing of it runs here."""
        return traits_of(self.session).remote

    @cached_property
    def sessions(self) -> tuple[Session, ...]:
        """Every session that a request to this model runs in: a pipeline's members, too."""
        return (self.session, *traits_of(self.session).members)


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
    generation: int = 0
    """Grows with each `replace`."""
    tallies: Tallies = field(default_factory=Tallies)
    _served: dict[str, ServedModel] = field(default_factory=dict)
    _withdrawn: frozenset[str] = frozenset()
    """Names of models that are to be served again soon."""
    _loans: dict[int, _Loan] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether every model answers: one whose accelerator is gone may have to refuse."""
        complete = bool(self._served) and not self._withdrawn
        return complete and all(model.session.provider for model in self._served.values())

    @property
    def lent(self) -> int:
        """Sessions that are not served any more, and that a request still runs in."""
        return sum(loan.retired for loan in self._loans.values())

    def current(self) -> Mapping[str, ServedModel]:
        """{name: model} as served now; a snapshot."""
        return MappingProxyType(dict(self._served))

    def replace(self, models: Mapping[str, ServedModel], release: str, again: bool = False) -> None:
        """Requests that come after this call are answered by `models` alone; a session in both is kept open. `again`:
        the release failed here before, and is to be judged anew."""
        self._withdrawn = frozenset()
        self.release = release
        self.tallies.serve(release, again)
        self._serve(models)

    def withdraw(self, keep: Iterable[Session]) -> None:
        """Until the next `replace` those models alone answer that run in sessions of `keep`. Who asks for another one
        is told to come again: ChangingError."""
        kept = {id(session) for session in keep}
        staying = {
            name: model for name, model in self._served.items() if {id(session) for session in model.sessions} <= kept
        }
        self._withdrawn |= self._served.keys() - staying.keys()
        self.release = None
        self._serve(staying)

    def _serve(self, models: Mapping[str, ServedModel]) -> None:
        self._served = dict(models)
        self.generation += 1
        wanted = {id(session): session for model in models.values() for session in model.sessions}
        for key, session in wanted.items():
            self._loans.setdefault(key, _Loan(session))
        for key, loan in list(self._loans.items()):
            loan.retired = key not in wanted
            if loan.close_if_free():
                del self._loans[key]

    def find(self, name: str, version: str | None = None) -> ServedModel:
        """The model of that name, and version if given. NotFoundError; UnavailableError before the first load."""
        model = self._served.get(name)
        if model is None and name in self._withdrawn:
            raise ChangingError(f"{shown(name)} is being replaced by its next version; try again in a second")
        if model is None and not self._served:
            raise UnavailableError("no model is loaded yet; try again soon")
        if model is None:
            raise NotFoundError(f"no model {shown(name)} here; there is {', '.join(sorted(self._served))}")
        if version and version != model.version:
            raise NotFoundError(f"{name} has version {model.version} here, not {shown(version)}")
        return model

    @contextmanager
    def acquire(self, name: str, version: str | None = None) -> Iterator[ServedModel]:
        """Borrows a model: its sessions stay open until the block ends, whatever `replace` does. Errors of `find`."""
        model = self.find(name, version)
        keys = [id(session) for session in model.sessions]
        for key in keys:
            self._loans[key].holders += 1
        try:
            yield model
        finally:
            for key in keys:
                self._return(key)

    def _return(self, key: int) -> None:
        loan = self._loans[key]
        loan.holders -= 1
        if loan.close_if_free():
            del self._loans[key]
