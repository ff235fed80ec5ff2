"""Puts models on the network, and takes them off without losing a request. Made by __main__, steered by the agent."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator

from edgewise.contract.plan import PlanEscalation, PlanServing
from edgewise_runtime import __version__
from edgewise_runtime.dataplane import DataPlane
from edgewise_runtime.engines.cores import usable_cores
from edgewise_runtime.escalation.client import Client
from edgewise_runtime.escalation.policy import Escalator
from edgewise_runtime.http import Routes
from edgewise_runtime.listener import Listener
from edgewise_runtime.metrics import Metrics, Sample
from edgewise_runtime.models import Models
from edgewise_runtime.monitoring import Monitoring
from edgewise_runtime.scheduling.dispatch import Dispatch
from edgewise_runtime.scheduling.workers import Workers
from edgewise_runtime.settings import Settings

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.05  # how often a draining server looks whether it is done


class Server:
    """Serves whatever `models` holds, from the first `replace` on; before that, requests get 503, or help."""

    def __init__(self, models: Models, settings: Settings) -> None:
        self.http_port = settings.http_port
        """The bound one, once started."""
        self.metrics_port = settings.metrics_port
        self._settings = settings
        self._drained = False
        self._client = Client()
        self.metrics = Metrics()
        workers = Workers(settings.workers or min(usable_cores(), 4), settings.max_queue)
        self.plane = DataPlane(models, Dispatch(workers, self.metrics), self.metrics)
        self._monitoring = Monitoring(self.metrics)
        self._http = Listener(Routes(self.plane, settings).application(), settings.body_timeout)
        self._monitor = Listener(self._monitoring.application(), settings.body_timeout)
        self._watch(models)

    @property
    def on_poke(self) -> Callable[[], None] | None:
        """Called when the operator asks for a report, at most once a second."""
        return self._monitoring.on_poke

    @on_poke.setter
    def on_poke(self, hook: Callable[[], None] | None) -> None:
        self._monitoring.on_poke = hook

    def configure(self, serving: PlanServing | None, escalation: PlanEscalation | None) -> None:
        """Takes a plan's wishes over between two requests; None: the defaults, no help. Cheap when nothing changed."""
        self.plane.dispatch.workers.max_queue = serving.max_queue if serving else self._settings.max_queue
        current = self.plane.escalator
        if escalation is None or not escalation.targets:
            self.plane.escalator = None
        elif current is None:
            self.plane.escalator = Escalator(escalation, self._client, self.metrics)
        elif current.plan != escalation:
            self.plane.escalator = current.renewed(escalation)

    async def start(self) -> None:
        """Listens on both ports; OSError where one is taken."""
        self.http_port = await self._http.start(self._settings.host, self._settings.http_port)
        self.metrics_port = await self._monitor.start(self._settings.host, self._settings.metrics_port)
        log.info("serving on port %d, metrics on port %d", self.http_port, self.metrics_port)

    async def drain(self, grace: float) -> None:
        """Not ready from now on, but answering until Services have forgotten this pod; then finishes what is in flight.

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
        self._http.refuse()
        try:
            await asyncio.wait_for(self._http.close(), patience + 1.0)
        except asyncio.TimeoutError:
            log.warning("%d requests were cut off at the end of the grace period", self.plane.in_flight)
        await self._monitor.close()
        await self._client.close()
        self.plane.dispatch.workers.close()

    def _watch(self, models: Models) -> None:
        plane, watch = self.plane, self.metrics.watch
        workers = plane.dispatch.workers
        watch("edgewise_queue_depth", "Requests waiting for a worker", (), lambda: [((), workers.waiting)])
        watch("edgewise_requests_in_flight", "Requests being answered", (), lambda: [((), plane.in_flight)])
        watch("edgewise_ready", "1 while /v2/health/ready says so", (), lambda: [((), float(plane.ready()))])
        watch("edgewise_runtime_info", "Version of the runtime", ("version",), lambda: [((__version__,), 1.0)])
        watch("edgewise_release_info", "Release that is served", ("release",), lambda: _release(models))
        labels = ("model", "version", "variant", "platform", "provider")
        watch("edgewise_model_info", "Models that are served, and on what", labels, lambda: self._model_infos(models))
        watch("edgewise_breaker_state", "0 closed, 1 half-open, 2 open: not asked", ("target",), self._breakers)

    def _model_infos(self, models: Models) -> Iterator[Sample]:
        current = models.current().values()
        self.metrics.forget_models({(model.name, model.version) for model in current})
        for model in current:
            session = model.session
            yield (model.name, model.version, model.variant, session.platform, session.provider), 1.0

    def _breakers(self) -> Iterator[Sample]:
        escalator = self.plane.escalator
        for target in escalator.plan.targets if escalator else ():
            yield (target.name,), float(escalator.breakers[target.url].state) if escalator else 0.0


def _release(models: Models) -> list[Sample]:
    return [((models.release,), 1.0)] if models.release else []
