"""Loads a release beside the one that serves, and runs every model once before anybody depends on it.

Called by agent/switching.py. All loads of a process go through one thread: two at a time would double the memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from edgewise.api.names import Reason
from edgewise.contract.sealed import Identity
from edgewise_runtime import engines
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.goals import Goal, GoalModel, GoalPipeline
from edgewise_runtime.agent.lastgood import LastGood
from edgewise_runtime.engines.base import EngineOptions, ModelLoadError, Session
from edgewise_runtime.engines.memory import release
from edgewise_runtime.engines.zeros import least, zeros
from edgewise_runtime.models import ServedModel
from edgewise_runtime.processing import processed
from edgewise_runtime.sealed import Sealed, model_file
from edgewise_runtime.tuning.choice import Choice
from edgewise_runtime.tuning.notebook import Notebook
from edgewise_runtime.tuning.tuner import MAX_BATCH, Subject, Tuner

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Files:
    """Of one model, verified."""

    model: Path
    golden: Path | str | None = None
    """The data of its self test, or their file; None: it is not tested."""
    signer: str = ""
    """Whose signature it bears; empty: nobody asked for one."""


@dataclass(frozen=True)
class Opened:
    """A session, and how it runs best here."""

    session: Session
    choice: Choice


@dataclass(frozen=True)
class _Means:
    """What a load may use."""

    live: Mapping[str, Opened]
    """What serves now, by key."""
    tuner: Tuner
    secrets: Path
    changed: Callable[[], None]


@dataclass
class Loaded:
    """A release that is ready to serve."""

    models: dict[str, ServedModel] = field(default_factory=dict)
    sessions: dict[str, Opened] = field(default_factory=dict)
    """By what makes them equal: content, format, engine and its options."""
    fresh: list[Session] = field(default_factory=list)
    """Those loaded for this release."""

    def discard(self) -> None:
        """Give back what was loaded and will not serve."""
        for session in self.fresh:
            session.close()


class Loader:
    """Knows the sessions that serve, so that an unchanged model is not loaded twice."""

    def __init__(self, cache: Path, secrets: Path, tuning: float, changed: Callable[[], None]) -> None:
        """`cache`: where it is kept how models run best here. `secrets`: where those with keys are mounted. `tuning`:
        seconds to find out how models run best, for a release. `changed`: see engines.load."""
        self._changed = changed
        self._secrets = secrets
        self._thread = ThreadPoolExecutor(1, "model-load")
        self._live: Mapping[str, Opened] = {}
        self._notebook = Notebook(cache)
        self._tuning = tuning

    async def load(self, goal: Goal, files: Mapping[str, Files], memory: LastGood) -> Loaded:
        """`files`: by model. Failure where one does not load or run; nothing stays then."""
        job = self._thread.submit(self._load_all, goal, files, memory)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            job.add_done_callback(_discard)  # the thread cannot be stopped; what it loads goes when it is done
            memory.end_loading(goal)  # a pod that is told to stop in the middle of a long load did not die of it
            raise

    async def check(self, goal: Goal, files: Mapping[str, Files]) -> None:
        """Failure where a key is missing: that is waited for, and better before anything is unloaded."""
        await asyncio.to_thread(_check, goal, files, self._secrets)

    def serve(self, loaded: Loaded) -> None:
        """From now on `loaded` is what serves."""
        self._live = dict(loaded.sessions)

    def lacks(self, goal: Goal) -> bool:
        """Whether `goal` takes a model that does not serve already."""
        return not _session_keys(goal) <= self._live.keys()

    def keep(self, goal: Goal | None) -> list[Session]:
        """Of the sessions that serve those that `goal` takes, too. The others are forgotten: they are to be closed."""
        wanted = _session_keys(goal) if goal is not None else frozenset()
        self._live = {key: opened for key, opened in self._live.items() if key in wanted}
        return [opened.session for opened in self._live.values()]

    def _load_all(self, goal: Goal, files: Mapping[str, Files], memory: LastGood) -> Loaded:
        died = memory.begin_loading(goal)
        budget = 0.0 if died else self._tuning / len(goal.models)  # what ended the process may have been a trial
        loaded, means = Loaded(), _Means(self._live, Tuner(self._notebook, budget), self._secrets, self._changed)
        try:
            for model in goal.models:
                _load(goal, model, files[model.name], loaded, means)
            if goal.pipeline is not None:
                _chain(goal, goal.pipeline, loaded)
        except BaseException:
            loaded.discard()
            raise
        finally:
            memory.end_loading(goal)
            release()  # what was only needed to load
        return loaded


def _discard(job: Future[Loaded]) -> None:
    if not job.cancelled() and job.exception() is None:
        job.result().discard()


def _check(goal: Goal, files: Mapping[str, Files], secrets: Path) -> None:
    for model in goal.models:
        try:
            file = model_file(files[model.name].model, model.encryption, secrets, _identity(model))
            if isinstance(file, Sealed):
                file.check()
        except ModelLoadError as error:
            raise Failure(error.reason, str(error), model.name) from error


def _load(goal: Goal, model: GoalModel, files: Files, loaded: Loaded, means: _Means) -> None:
    key = _session_key(goal, model)
    opened = loaded.sessions.get(key) or means.live.get(key)
    try:
        if opened is None:
            opened = _opened(goal, model, files.model, loaded, means)
        if key not in means.live:  # what serves has shown that it can
            _test(model, opened.session, files.golden)
        loaded.sessions[key] = opened
        loaded.models[model.name] = ServedModel(
            name=model.name,
            version=model.version,
            variant=model.build.variant,
            session=opened.session,
            task=model.task,
            confidence=model.confidence,
            choice=opened.choice,
            signer=files.signer,
        )
    except Failure as failure:
        failure.model = model.name
        raise
    except ModelLoadError as error:
        raise Failure(error.reason, str(error), model.name) from error
    except Exception as error:  # whatever an engine throws, the release before it keeps serving
        if not files.model.exists():
            message = f"the file of {model.name} was thrown out by another pod of this node; raise serving.cache.limit"
            raise Failure(Reason.DISK_FULL, message, model.name) from error
        raise Failure(Reason.LOAD_FAILED, f"{model.name} cannot be loaded: {error}", model.name) from error


def _opened(goal: Goal, model: GoalModel, path: Path, loaded: Loaded, means: _Means) -> Opened:
    file = model_file(path, model.encryption, means.secrets, _identity(model))
    load = partial(engines.load, file, model.build.format, changed=means.changed)
    session, choice = means.tuner.open(load, _subject(goal, model))
    loaded.fresh.append(session)
    _warm_up(session)
    session = loaded.fresh[-1] = processed(session, model.processing)
    return Opened(session, choice)


def _test(model: GoalModel, session: Session, data: Path | str | None) -> None:
    if model.self_test is None or data is None:
        return
    from edgewise_runtime.agent import selftest  # few models have one

    selftest.check(session, model.self_test, data)


def _chain(goal: Goal, pipeline: GoalPipeline, loaded: Loaded) -> None:
    """Serves the release's pipeline as one more model; its version is the release."""
    from edgewise_runtime.pipeline.building import build  # needs Pillow

    sessions = {name: served.session for name, served in loaded.models.items()}
    try:
        session = build(pipeline.steps, sessions, {model.name: model.processing for model in goal.models})
    except ModelLoadError as error:
        raise Failure(error.reason, str(error), pipeline.steps[0].model or "") from error
    loaded.models[pipeline.name] = ServedModel(pipeline.name, goal.release, "pipeline", session)


def _subject(goal: Goal, model: GoalModel) -> Subject:
    options = dict(sorted(goal.options.items()))
    return Subject(
        f"{model.build.source.sha256} {model.build.format}",
        EngineOptions(goal.engine, tuple(goal.providers), options, goal.require_accelerator),
        goal.max_batch_size or MAX_BATCH,
        goal.max_latency,
    )


def _identity(model: GoalModel) -> Identity:
    return Identity(model.name, model.version, model.build.variant)


def _session_key(goal: Goal, model: GoalModel) -> str:
    """Of an encrypted model it holds what the file must be, too, so that no other one is served from it."""
    processing = model.processing.wire() if model.processing else None
    encrypted = (_identity(model), model.encryption) if model.encryption else None
    return repr((_subject(goal, model), processing, encrypted))


def _session_keys(goal: Goal) -> frozenset[str]:
    return frozenset(_session_key(goal, model) for model in goal.models)


def _warm_up(session: Session) -> None:
    """One run on zeros. Failure where the model takes such a tensor and still does not run.

    A model with free dimensions besides the batch may refuse sizes of 1 (an image network wants a multiple of 32), so
    its error here says nothing.
    """
    feeds = {spec.name: zeros(spec, least(spec)) for spec in session.inputs}
    try:
        session.run(feeds, [spec.name for spec in session.outputs])
    except Exception as error:
        if any(size < 0 for spec in session.inputs for size in (spec.shape[1:] or spec.shape)):
            log.info(
                "the warm-up run failed on made-up sizes; the first request warms up", extra={"detail": str(error)}
            )
            return
        raise Failure(Reason.LOAD_FAILED, f"the model was loaded but does not run: {error}") from error
