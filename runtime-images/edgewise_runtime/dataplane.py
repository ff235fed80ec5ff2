"""The protocol without a transport: live, ready, metadata, infer. HTTP only translates into and out of it.

One request: find the model, check the input, run it here, weigh the answer, perhaps ask for help, count it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from edgewise_runtime import __version__
from edgewise_runtime.engines.base import Array, TensorSpec
from edgewise_runtime.errors import (
    BadRequestError,
    ModelFailedError,
    NotFoundError,
    ServingError,
    UnavailableError,
    shown,
)
from edgewise_runtime.escalation.confidence import confidence_of
from edgewise_runtime.escalation.policy import Escalator, Help
from edgewise_runtime.escalation.review import Expected
from edgewise_runtime.metrics import Metrics
from edgewise_runtime.models import Models, Record, ServedModel
from edgewise_runtime.protocol.checks import feeds_of, outputs_of
from edgewise_runtime.protocol.datatypes import datatype_of
from edgewise_runtime.protocol.messages import InferRequest, InferResponse, Scalar, Tensor
from edgewise_runtime.scheduling.dispatch import Dispatch

EXTENSIONS = ("binary_tensor_data",)
SOURCE = "edgewise_source"
CONFIDENCE = "edgewise_confidence"
PRIVACY = "edgewise_privacy"
DEVICE = "device"


@dataclass
class _Course:
    """What happens to one request, for the counters."""

    started: float
    release: str | None
    model: str = ""
    version: str = ""
    source: str = DEVICE
    outcome: str = "ok"


@dataclass
class _Local:
    """The device's own answer; `outputs` may hold one more than the client wanted, for the confidence."""

    served: ServedModel
    wanted: tuple[str, ...]
    outputs: dict[str, Array]
    confidence: float | None = None


@dataclass
class DataPlane:
    """Used from the event loop only."""

    models: Models
    dispatch: Dispatch
    metrics: Metrics
    escalator: Escalator | None = None
    draining: bool = False
    last_request: float = 0.0
    """Monotonic time of the newest request; tells a draining server when it is forgotten."""
    in_flight: int = 0

    def live(self) -> bool:
        return True

    def ready(self) -> bool:
        return self.models.ready and not self.draining

    def server_metadata(self) -> dict[str, Any]:
        return {"name": "edgewise", "version": __version__, "extensions": list(EXTENSIONS)}

    def model_names(self) -> list[str]:
        return sorted(self.models.current())

    def model_ready(self, name: str, version: str) -> bool:
        """False before the first model is loaded; NotFoundError for a model that is not served here."""
        try:
            return bool(self.models.find(name, version))
        except UnavailableError:
            return False

    def model_metadata(self, name: str, version: str) -> dict[str, Any]:
        served = self.models.find(name, version)
        return {
            "name": served.name,
            "versions": [served.version],
            "platform": served.session.platform,
            "inputs": [_spec(spec) for spec in served.session.inputs],
            "outputs": [_spec(spec) for spec in served.session.outputs],
        }

    def count_refused(self, error: ServingError) -> None:
        """A request that could not be decoded. Without its model's name, which may be a client's invention."""
        self.metrics.requests.labels("", "", error.outcome, "").inc()

    def inputs_of(self, name: str, version: str) -> tuple[TensorSpec, ...]:
        return self.models.find(name, version).session.inputs

    async def infer(self, request: InferRequest, hops: int = 0) -> InferResponse:
        """The best answer there is. `hops`: how often others passed it on. ServingError where there is none."""
        course = _Course(time.monotonic(), self.models.release)
        self.last_request = course.started
        self.in_flight += 1
        try:
            return await self._answer(request, hops, course)
        except ServingError as error:
            course.outcome = error.outcome
            raise
        except asyncio.CancelledError:
            course.outcome = "cancelled"
            raise
        except Exception:
            course.outcome = "failed"
            raise
        finally:
            self.in_flight -= 1
            self._count(course)

    async def _answer(self, request: InferRequest, hops: int, course: _Course) -> InferResponse:
        escalator = None if _private(request) else self.escalator
        if escalator is not None:
            escalator.spending.request()
        try:
            local = await self._run_here(request, course)
        except (UnavailableError, ModelFailedError) as error:
            if escalator is None or not escalator.replaces(error):
                raise
            help_ = await escalator.ask(request, self._expected(request), hops)
            if help_ is None:
                raise
            return _from_target(request, help_, request.outputs, course)
        if escalator is not None and local.confidence is not None and escalator.below(local.confidence):
            help_ = await escalator.ask(request, _compared(local), hops)
            if help_ is not None:
                return _from_target(request, help_, local.wanted, course)
        return _from_device(request, local)

    async def _run_here(self, request: InferRequest, course: _Course) -> _Local:
        with self.models.acquire(request.model, request.version) as served:
            course.model, course.version = served.name, served.version
            feeds = feeds_of(request, served.session.inputs)
            wanted = outputs_of(request, served.session.outputs)
            measured = served.confidence if served.confidence and served.confidence.method != "None" else None
            names = [*wanted, measured.output] if measured and measured.output not in wanted else list(wanted)
            arrays = await self.dispatch.run(served, feeds, names, request.nbytes)
        local = _Local(served, wanted, dict(zip(names, arrays, strict=True)))
        if measured:
            local.confidence = confidence_of(local.outputs[measured.output], measured)
        return local

    def _expected(self, request: InferRequest) -> Expected:
        """Of a target, where there is no local answer to compare with."""
        try:
            served = self.models.find(request.model, request.version)
        except (UnavailableError, NotFoundError):
            return Expected(request.outputs)
        return Expected(outputs_of(request, served.session.outputs), served.session.outputs)

    def _count(self, course: _Course) -> None:
        seconds = time.monotonic() - course.started
        self.metrics.requests.labels(course.model, course.version, course.outcome, course.source).inc()
        if course.model:
            self.metrics.duration.labels(course.model, course.version).observe(seconds)
        failed = course.outcome in ("failed", "unavailable", "overloaded")
        self.models.count(course.release, Record(seconds, failed, escalated=course.source != DEVICE))


def _private(request: InferRequest) -> bool:
    """Whether the client forbids that anything of this request leaves the device."""
    wish = request.parameters.get(PRIVACY, "allow")
    if wish not in ("allow", "never"):
        raise BadRequestError(f"parameters.{PRIVACY} must be allow or never, not {shown(wish)}")
    return wish == "never"


def _spec(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}


def _compared(local: _Local) -> Expected:
    """A target must give what the client wanted, and the output that tells whether it is any better."""
    confidence = local.served.confidence
    assert confidence is not None  # noqa: S101  only an answer with a confidence is compared
    output = local.outputs[confidence.output]
    rows = len(output) if output.ndim else None
    return Expected(tuple(local.outputs), local.served.session.outputs, confidence, local.confidence, rows)


def _from_device(request: InferRequest, local: _Local) -> InferResponse:
    outputs = tuple(Tensor(name, datatype_of(local.outputs[name]), local.outputs[name]) for name in local.wanted)
    return InferResponse(
        local.served.name, local.served.version, outputs, request.id, _parameters(DEVICE, local.confidence)
    )


def _from_target(request: InferRequest, help_: Help, wanted: tuple[str, ...], course: _Course) -> InferResponse:
    """The target's answer under the name the client asked for, and with its version."""
    course.source = f"target:{help_.target}"
    given = {tensor.name: tensor for tensor in help_.response.outputs}
    outputs = tuple(given[name] for name in wanted or given)
    return InferResponse(
        request.model, help_.response.version, outputs, request.id, _parameters(course.source, help_.confidence)
    )


def _parameters(source: str, confidence: float | None) -> dict[str, Scalar]:
    return {SOURCE: source} if confidence is None else {SOURCE: source, CONFIDENCE: confidence}
