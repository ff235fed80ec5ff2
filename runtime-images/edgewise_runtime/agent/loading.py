"""Loads a release beside the one that serves, and runs every model once before anybody depends on it.

Called by agent/switching.py. All loads of a process go through one thread: two at a time would double the memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgewise.api.names import Reason
from edgewise_runtime import engines
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.goals import Goal, GoalModel
from edgewise_runtime.agent.lastgood import LastGood
from edgewise_runtime.engines.base import Array, EngineOptions, ModelLoadError, Session, TensorSpec
from edgewise_runtime.models import ServedModel
from edgewise_runtime.protocol.datatypes import BYTES, DTYPES

log = logging.getLogger(__name__)

Sessions = Mapping[str, Session]


@dataclass
class Loaded:
    """A release that is ready to serve."""

    models: dict[str, ServedModel] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    """By what makes them equal: content, format, engine and its options."""
    fresh: list[Session] = field(default_factory=list)
    """Those loaded for this release."""

    def discard(self) -> None:
        """Give back what was loaded and will not serve."""
        for session in self.fresh:
            session.close()


class Loader:
    """Knows the sessions that serve, so that an unchanged model is not loaded twice."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "model-load")
        self._live: Sessions = {}

    async def load(self, goal: Goal, paths: Mapping[str, Path], memory: LastGood) -> Loaded:
        """`paths`: the verified file of each model. Failure where one does not load or run; nothing stays then."""
        job = self._thread.submit(_load_all, goal, paths, self._live, memory)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            job.add_done_callback(_discard)  # the thread cannot be stopped; what it loads goes when it is done
            raise

    def serve(self, loaded: Loaded) -> None:
        """From now on `loaded` is what serves."""
        self._live = dict(loaded.sessions)


def _discard(job: Future[Loaded]) -> None:
    if not job.cancelled() and job.exception() is None:
        job.result().discard()


def _load_all(goal: Goal, paths: Mapping[str, Path], live: Sessions, memory: LastGood) -> Loaded:
    memory.begin_loading(goal)
    loaded = Loaded()
    try:
        for model in goal.models:
            _load(goal, model, paths[model.name], loaded, live)
    except BaseException:
        loaded.discard()
        raise
    finally:
        memory.end_loading()
    return loaded


def _load(goal: Goal, model: GoalModel, path: Path, loaded: Loaded, live: Sessions) -> None:
    key = _session_key(goal, model)
    session = loaded.sessions.get(key) or live.get(key)
    try:
        if session is None:
            session = engines.load(path, model.build.format, _options(goal))
            loaded.fresh.append(session)
            _warm_up(session)
        loaded.sessions[key] = session
        loaded.models[model.name] = ServedModel(
            name=model.name,
            version=model.version,
            variant=model.build.variant,
            session=session,
            task=model.task,
            confidence=model.confidence,
        )
    except Failure as failure:
        failure.model = model.name
        raise
    except ModelLoadError as error:
        raise Failure(error.reason, str(error), model.name) from error
    except Exception as error:  # whatever an engine throws, the release before it keeps serving
        if not path.exists():
            message = f"the file of {model.name} was thrown out by another pod of this node; raise serving.cache.limit"
            raise Failure(Reason.DISK_FULL, message, model.name) from error
        raise Failure(Reason.LOAD_FAILED, f"{model.name} cannot be loaded: {error}", model.name) from error


def _options(goal: Goal) -> EngineOptions:
    options = dict(sorted(goal.options.items()))
    return EngineOptions(goal.engine, tuple(goal.providers), options, goal.require_accelerator)


def _session_key(goal: Goal, model: GoalModel) -> str:
    return repr((model.build.source.sha256, model.build.format, _options(goal)))


def _warm_up(session: Session) -> None:
    """One run on zeros. Failure where the model takes such a tensor and still does not run.

    A model with free dimensions besides the batch may refuse sizes of 1 (an image network wants a multiple of 32), so
    its error here says nothing.
    """
    feeds = {spec.name: _zeros(spec) for spec in session.inputs}
    try:
        session.run(feeds, [spec.name for spec in session.outputs])
    except Exception as error:
        if any(size < 0 for spec in session.inputs for size in (spec.shape[1:] or spec.shape)):
            log.info(
                "the warm-up run failed on made-up sizes; the first request warms up", extra={"detail": str(error)}
            )
            return
        raise Failure(Reason.LOAD_FAILED, f"the model was loaded but does not run: {error}") from error


def _zeros(spec: TensorSpec) -> Array:
    shape = [1 if size < 0 else size for size in spec.shape]
    return np.full(shape, b"", dtype=object) if spec.datatype == BYTES else np.zeros(shape, DTYPES[spec.datatype])
