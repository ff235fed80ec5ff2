"""Puts models on the network, and takes them off without losing a request. Made by commands.py, led by the agent."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edgewise.contract.plan import PlanEscalation, PlanServing
from edgewise_runtime import __version__
from edgewise_runtime.access import Access, Demands
from edgewise_runtime.dataplane import DataPlane
from edgewise_runtime.engines.cores import usable_cores
from edgewise_runtime.engines.traits import traits_of
from edgewise_runtime.escalation import gauges
from edgewise_runtime.escalation.policy import MAX_IN_FLIGHT, Escalator
from edgewise_runtime.escalation.targets import Targets
from edgewise_runtime.grpc.listener import GrpcListener
from edgewise_runtime.http.holding import Desk
from edgewise_runtime.http.listener import Listener
from edgewise_runtime.http.monitoring import Monitoring
from edgewise_runtime.http.routes import Routes
from edgewise_runtime.idle import give_back_when_idle
from edgewise_runtime.metrics import Metrics
from edgewise_runtime.models import Models
from edgewise_runtime.ports.memory import Memory
from edgewise_runtime.ports.reception import Limits
from edgewise_runtime.scheduling.dispatch import Dispatch
from edgewise_runtime.series import Sample
from edgewise_runtime.settings import Settings
from edgewise_runtime.statistics import Statistics

log = logging.getLogger(__name__)

_MONITORING_MEMORY = 2**20  # bytes: nothing with a body is asked there
_LOOK_SECONDS = 0.05  # how often a draining server looks whether it is done


class Server:
    """Serves whatever `models` holds, from the first `replace` on; before that, requests get 503, or help."""

    def __init__(self, models: Models, settings: Settings, questions: int = MAX_IN_FLIGHT) -> None:
        """`questions`: requests that targets may be asked about at the same time."""
        self.http_port = settings.http_port
        """The bound one, once started."""
        self.grpc_port = settings.grpc_port
        self.metrics_port = settings.metrics_port
        self._settings = settings
        self._drained = False
        self._idle: asyncio.Future[None] | None = None
        self._questions = questions
        self.targets = Targets(Path(settings.secrets_folder))
        """Those of the plan in force."""
        self.metrics = Metrics()
        threads = settings.workers or usable_cores()
        dispatch = Dispatch(threads, settings.max_queue, self.metrics, Statistics())
        self.access = Access(Demands.of(settings), self.metrics.admitted)
        self.plane = DataPlane(models, dispatch, self.metrics, self.access)
        limits = Limits(patience=settings.body_timeout, connections=settings.max_connections)
        self.memory = Memory(settings.max_memory)
        self._monitoring = Monitoring(self.metrics, self.plane.ready)
        self._http = Listener(Routes(self.plane, settings), limits, self.memory)
        self.grpc = GrpcListener(self.plane, settings, self.memory)
        self._monitor = Listener(self._monitoring, limits, Memory(_MONITORING_MEMORY))
        self._watch(models)

    @property
    def on_poke(self) -> Callable[[], None] | None:
        """Called when the operator asks for a report, at most once a second."""
        return self._monitoring.on_poke

    @on_poke.setter
    def on_poke(self, hook: Callable[[], None] | None) -> None:
        self._monitoring.on_poke = hook

    def take_holds(self, desk: Desk) -> None:
        """`desk` is asked from now on by whoever is at the device; see http/holding.py."""
        self._monitoring.desk = desk

    def configure(self, serving: PlanServing | None, escalation: PlanEscalation | None) -> None:
        """Takes a plan's wishes over between two requests; None: the defaults, no help. Cheap when nothing changed."""
        dispatch = self.plane.dispatch
        dispatch.max_queue = serving.max_queue if serving else self._settings.max_queue
        dispatch.batching = serving is None or serving.batching != "Off"
        self.access.limit(serving.rate_limit if serving else None)
        self._escalate(escalation if escalation is not None and escalation.targets else None)

    async def start(self) -> None:
        """Listens on all ports; OSError where one is taken."""
        self.access.start()
        self.http_port = await self._http.start(self._settings.host, self._settings.http_port, self.access.tls())
        if self._settings.grpc:
            self.grpc_port = await self.grpc.start(self._settings.host, self._settings.grpc_port, self.access.tls())
        self.metrics_port = await self._monitor.start(self._settings.host, self._settings.metrics_port)
        ports = f"{self.http_port} (HTTP)" + (f" and {self.grpc_port} (gRPC)" if self._settings.grpc else "")
        self._idle = asyncio.ensure_future(give_back_when_idle(self.plane))
        log.info("serving on port %s, metrics on port %d", ports, self.metrics_port)

    async def drain(self, grace: float) -> None:
        """Answers on until Services have forgotten this pod, and a successor is there; then ends what is in flight.

        Done at the latest after `grace` seconds, when connections are cut. A second call does nothing."""
        if self._drained:
            return
        self._drained = True
        deadline = time.monotonic() + grace
        self.plane.draining = True
        quiet_since = max(self.plane.last_request, time.monotonic())
        while (now := time.monotonic()) < deadline:
            quiet_since = max(quiet_since, self.plane.last_request)
            if now - quiet_since >= self._settings.quiet and not self.plane.in_flight:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        await self._close(max(0.0, deadline - time.monotonic()))

    async def _close(self, patience: float) -> None:
        if self._idle is not None:
            self._idle.cancel()
        await asyncio.gather(self._http.close(patience), self.grpc.close(patience))
        if self.plane.in_flight:
            log.warning("%d requests were cut off at the end of the grace period", self.plane.in_flight)
        await self._monitor.close(0.0)
        if self.plane.escalator is not None:
            await self.plane.escalator.close()
        await self.targets.close()
        await self.access.close()
        self.plane.dispatch.close()

    def _escalate(self, plan: PlanEscalation | None) -> None:
        self.targets.use(plan.targets if plan else ())
        current = self.plane.escalator
        if plan is None:
            self.plane.escalator = None
        elif current is None:
            self.plane.escalator = Escalator(plan, self.targets, self.metrics, self._questions)
        elif current.plan != plan:
            self.plane.escalator = current.renewed(plan)

    def _watch(self, models: Models) -> None:
        plane, watch = self.plane, self.metrics.watch
        dispatch = plane.dispatch
        watch("edgewise_queue_depth", "Requests waiting for a worker", (), lambda: [((), dispatch.waiting)])
        watch("edgewise_requests_in_flight", "Requests being answered", (), lambda: [((), plane.in_flight)])
        memory = self.memory
        watch("edgewise_request_bytes", "Held by requests and by unread answers", (), lambda: [((), memory.held)])
        watch("edgewise_ready", "1 while /v2/health/ready says so", (), lambda: [((), float(plane.ready()))])
        watch("edgewise_runtime_info", "Version of the runtime", ("version",), lambda: [((__version__,), 1.0)])
        watch("edgewise_release_info", "Release that is served", ("release",), lambda: _release(models))
        labels = ("model", "version", "variant", "platform", "provider")
        watch("edgewise_model_info", "Models that are served, and on what", labels, lambda: self._model_infos(models))
        labels = ("model", "version", "threads", "workers", "batch")
        watch("edgewise_model_tuned", "How models run; 0: the default", labels, lambda: _tuned(models))
        text = "1 while a model is off its accelerator"
        watch("edgewise_accelerator_lost", text, ("model", "version"), lambda: _lost(models))
        text, of_step = "Steps of pipelines, cutting and all, since they were loaded", ("model", "version", "step")
        self.metrics.sum_up("edgewise_pipeline_step_seconds", text, of_step, lambda: _steps(models))
        gauges.watch(self.metrics, lambda: plane.escalator)

    def _model_infos(self, models: Models) -> Iterator[Sample]:
        current = models.current().values()
        self.metrics.forget_models({(model.name, model.version) for model in current})
        for model in current:
            session = model.session
            yield (model.name, model.version, model.variant, session.platform, session.provider), 1.0


def _tuned(models: Models) -> Iterator[Sample]:
    for model in models.current().values():
        choice = model.choice
        yield (model.name, model.version, str(choice.threads), str(choice.workers), str(choice.batch)), 1.0


def _lost(models: Models) -> list[Sample]:
    return [((model.name, model.version), float(bool(model.session.lost))) for model in models.current().values()]


def _steps(models: Models) -> Iterator[tuple[tuple[str, ...], int, float]]:
    for model in models.current().values():
        for step, timing in traits_of(model.session).timings.items():
            yield (model.name, model.version, step), timing.runs, timing.seconds


def _release(models: Models) -> list[Sample]:
    return [((models.release,), 1.0)] if models.release else []
