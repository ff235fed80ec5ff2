"""A model on an accelerator that may go away: noticed at the first failed run, and served from the CPU meanwhile.

A failed run alone does not tell: the request may be to blame. So a run of zeros, in shapes that went well before, is
tried; only when that fails too, the accelerator is gone. Then the model is loaded anew on the CPU, once, and requests
that met the failure are answered there; where the profile requires the accelerator, they are refused. Either way the
accelerator is tried again later. Made by engines/__init__.py around every session that is not on the CPU.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from edgewise_runtime.engines.base import (
    AcceleratorLostError,
    Array,
    EngineOptions,
    InputRefusedError,
    ModelLoadError,
    Session,
    first_line,
    on_cpu,
)
from edgewise_runtime.engines.traits import traits_of
from edgewise_runtime.engines.zeros import least, zeros

log = logging.getLogger(__name__)

Open = Callable[[EngineOptions], Session]


@dataclass(frozen=True)
class Patience:
    """Seconds before the accelerator is tried again: each try loads the model, so they double."""

    first: float = 30.0
    longest: float = 900.0

    def after(self, tries: int) -> float:
        """Seconds to wait after `tries` tries in vain."""
        return min(self.longest, self.first * 2.0**tries)


class _Held:
    """A session with the number of runs in it; closed when it is retired and the last one has ended."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.runs = 0
        self.retired = False


class Standby:
    """A Session. `run` may take as long as loading the model takes, so it never belongs on the event loop."""

    def __init__(
        self, session: Session, open_: Open, options: EngineOptions, changed: Callable[[], None], patience: Patience
    ) -> None:
        """`session` came from `open_(options)`. `changed` is called, from any thread, when `provider` or `lost` have
        changed."""
        self.inputs, self.outputs, self.platform = session.inputs, session.outputs, session.platform
        self.traits, self.lost = traits_of(session), ""
        self._open, self._options, self._changed, self._patience = open_, options, changed, patience
        self._current: _Held | None = _Held(session)
        self._shapes = {spec.name: least(spec) for spec in self.inputs}
        self._counting = threading.Lock()  # held for moments
        self._moving = threading.Lock()  # held while a session is loaded in the place of another
        self._tries = 0
        self._timer: threading.Timer | None = None
        self._closed = False

    @property
    def provider(self) -> str:
        current = self._current
        return current.session.provider if current is not None else ""

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        with self._held() as session:
            try:
                results = session.run(feeds, outputs)
            except InputRefusedError:
                raise
            except Exception as error:
                if on_cpu(session.provider) or self._answers(session):
                    raise
                failure = first_line(error)  # not the error: its traceback would hold the session that is to go
            else:
                self._shapes = {name: array.shape for name, array in feeds.items()}
                return results
        self._leave(session, failure)
        with self._held() as session:
            return session.run(feeds, outputs)

    def retry(self) -> None:
        """Tries the accelerator again, and stays with what there is where it is still gone. Blocking."""
        with self._moving:
            if self._closed or not self.lost:
                return
            session = self._opened_again()
            if session is None:
                self._try_later()
                return
            self.lost, self._tries = "", 0
            self._replace(session)
        log.info("the accelerator is back", extra={"provider": session.provider})
        self._changed()

    def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._replace(None)

    @contextlib.contextmanager
    def _held(self) -> Iterator[Session]:
        """The session of this moment, kept open until the block ends. AcceleratorLostError where there is none."""
        with self._counting:
            held = self._current
            if held is not None:
                held.runs += 1
        if held is None:
            with self._moving:  # perhaps the CPU is being loaded
                if self._current is None:
                    raise AcceleratorLostError(self.lost)
            with self._held() as session:
                yield session
            return
        try:
            yield held.session
        finally:
            with self._counting:
                held.runs -= 1
                done = held.retired and not held.runs
            if done:
                held.session.close()

    def _answers(self, session: Session) -> bool:
        """Whether the accelerator still computes zeros, in shapes that it computed before."""
        feeds = {spec.name: zeros(spec, self._shapes[spec.name]) for spec in self.inputs}
        try:
            session.run(feeds, [spec.name for spec in self.outputs])
        except Exception:
            log.warning("the accelerator fails on zeros too", exc_info=True)
            return False
        return True

    def _leave(self, gone: Session, failure: str) -> None:
        """Go over to the CPU, or refuse; by the first of the threads that met the failure."""
        with self._moving:
            if self._closed or self._current is None or self._current.session is not gone:
                return
            self.lost = f"{gone.provider} does not answer any more: {failure}"
            log.error(self.lost)
            self._replace(None)  # an accelerator is free for its next owner only when it was let go
            if not self._options.require_accelerator:
                self._go_on_with_the_cpu()
            self._try_later()
        self._changed()

    def _go_on_with_the_cpu(self) -> None:
        session = self._loaded(self._options.for_cpu())
        if isinstance(session, str):
            self.lost += f"; and the CPU cannot run this build: {session}"
        else:
            self._replace(session)

    def _opened_again(self) -> Session | None:
        session = self._loaded(replace(self._options, require_accelerator=False))
        if isinstance(session, str):
            log.info("the accelerator is still gone", extra={"detail": session})
            return None
        if not on_cpu(session.provider) and self._answers(session):
            return session
        session.close()
        return None

    def _loaded(self, options: EngineOptions) -> Session | str:
        """The model, or why it does not load."""
        try:
            return self._open(options)
        except ModelLoadError as error:
            return str(error)
        except Exception as error:  # whatever an engine throws, the accelerator is tried again
            log.exception("the model cannot be loaded anew")
            return first_line(error)

    def _replace(self, session: Session | None) -> None:
        """From now on `session` runs; the one before goes when nothing runs in it any more."""
        with self._counting:
            before, unused = self._current, list[Session]()
            self._current = None if session is None or self._closed else _Held(session)
            if session is not None and self._current is None:
                unused.append(session)  # too late: closed while it was being loaded
            if before is not None:
                before.retired = True
                unused += [] if before.runs else [before.session]
        for one in unused:
            one.close()

    def _try_later(self) -> None:
        if self._closed:
            return
        self._timer = threading.Timer(self._patience.after(self._tries), self.retry)
        self._timer.daemon = True
        self._timer.start()
        self._tries += 1
