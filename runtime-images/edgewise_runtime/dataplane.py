"""The protocol without a transport: live, ready, metadata, infer. HTTP only translates into and out of it.

One request: find the model, check the input, run it here, weigh the answer, perhaps ask for help, count it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from edgewise_runtime import __version__
from edgewise_runtime.access import Access
from edgewise_runtime.answers import Local, expected_instead, from_target, is_private
from edgewise_runtime.engines.base import Session, TensorSpec
from edgewise_runtime.errors import DeadlineError, ModelFailedError, ServingError, UnavailableError
from edgewise_runtime.escalation.errand import Errand
from edgewise_runtime.escalation.policy import Escalator
from edgewise_runtime.ledger import Course, Ledger
from edgewise_runtime.metrics import Metrics
from edgewise_runtime.models import Models, ServedModel
from edgewise_runtime.protocol import catalogue
from edgewise_runtime.protocol.messages import InferRequest, InferResponse
from edgewise_runtime.scheduling.dispatch import Dispatch
from edgewise_runtime.spool.example import Example, Offers

EXTENSIONS = ("binary_tensor_data", "model_configuration", "statistics", "model_repository")
_REPLACED = (UnavailableError, ModelFailedError, DeadlineError)  # a target may be asked instead

Pending = Callable[[], Coroutine[Any, Any, InferResponse]]
"""What to await for an answer, which is not counted before."""


@dataclass
class DataPlane:
    """Used from the event loop only."""

    models: Models
    dispatch: Dispatch
    metrics: Metrics
    access: Access = field(default_factory=Access)
    """Whom both transports ask before they take a request in."""
    escalator: Escalator | None = None
    """Of the newest plan. None: nobody may be asked."""
    spool: Offers | None = None
    """Where hard requests are kept; None: nowhere."""
    draining: bool = False
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.models, self.metrics, self.dispatch.statistics)

    @property
    def in_flight(self) -> int:
        return self.ledger.in_flight

    @property
    def last_request(self) -> float:
        """Monotonic time of the newest request; tells a draining server when it is forgotten."""
        return self.ledger.last

    def live(self) -> bool:
        return True

    def ready(self) -> bool:
        """Also while it drains: Kubernetes sends a pod that ends no new client anyhow, but where there is no other, as
        on a node whose next pod is still starting; and only as long as this one says that it is ready."""
        return self.models.ready and self.access.ready

    def server_metadata(self) -> dict[str, Any]:
        return {"name": "edgewise", "version": __version__, "extensions": list(EXTENSIONS)}

    def model_names(self) -> list[str]:
        return sorted(self.models.current())

    def model_ready(self, name: str, version: str) -> bool:
        """False before the first model is loaded, and where one has lost the accelerator it must have; NotFoundError
        for a model that is not served here."""
        try:
            return bool(self.models.find(name, version).session.provider)
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
            **_properties(served.session),
        }

    def model_config(self, name: str, version: str) -> catalogue.Document:
        return catalogue.model_config(self.models.find(name, version))

    def statistics(self, name: str, version: str) -> catalogue.Document:
        """Of all models where `name` is empty."""
        served = [self.models.find(name, version)] if name else _by_name(self.models)
        counts = self.dispatch.statistics
        return catalogue.statistics((model, counts.of(model.name, model.version)) for model in served)

    def repository_index(self) -> list[catalogue.Document]:
        return catalogue.repository_index(_by_name(self.models))

    def count_refused(self, error: ServingError) -> None:
        """A request that could not be read."""
        self.ledger.refused(error)

    def refuse_early(self, name: str, version: str, size: int) -> None:
        """ServingError where a request of `size` bytes would get it anyway: a model that is not here, a full queue, and
        no target that takes it."""
        try:
            self.dispatch.refuse_early(self.models.find(name, version), size)
        except UnavailableError as error:
            escalator = self.escalator
            if escalator is None or not escalator.covers(error) or not escalator.can_ask(size):
                raise

    def inputs_of(self, name: str, version: str) -> tuple[TensorSpec, ...]:
        return self.models.find(name, version).session.inputs

    def infer_now(self, request: InferRequest, hops: int = 0) -> InferResponse | Pending:
        """As `infer`, where nothing has to be waited for: the model is quick, nobody waits for it, no target is asked.
        Else what to await for it."""
        with Course(self.ledger) as course:
            errand = Errand(request, hops, None if is_private(request) else self.escalator, course.started)
            local: Local | None = None
            try:
                local = self._run_now(request, course)
                if local is not None and not errand.doubts(local.confidence):
                    return self._own(errand, local, course)
            except _REPLACED as error:
                if not errand.covered(error):
                    raise
            course.postponed = True
        return partial(self._infer, errand, local)

    async def infer(self, request: InferRequest, hops: int = 0) -> InferResponse:
        """The best answer there is. `hops`: how often others passed it on. ServingError where there is none."""
        outcome = self.infer_now(request, hops)
        return outcome if isinstance(outcome, InferResponse) else await outcome()

    async def _infer(self, errand: Errand, local: Local | None) -> InferResponse:
        """`local`: a doubtful answer that is there already."""
        with Course(self.ledger, errand.started) as course:
            if local is None:
                try:
                    local = await self._run_here(errand.request, course)
                except _REPLACED as error:
                    response = await self._instead(errand, error, course)
                    if response is None:
                        raise
                    return response
                if not errand.doubts(local.confidence):
                    return self._own(errand, local, course)
            course.model, course.version = local.served.name, local.served.version
            course.confidence = local.confidence
            help_ = await errand.ask(local.expected())
            if help_ is None:
                return self._own(errand, local, course)
            return from_target(errand.request, help_, course, local.wanted)

    async def _instead(self, errand: Errand, error: ServingError, course: Course) -> InferResponse | None:
        """A target's answer, where the device has none; None: it has none either."""
        if not errand.covered(error):
            return None
        request, response = errand.request, None
        course.broke = str(error) if isinstance(error, ModelFailedError) else ""
        help_ = await errand.ask(expected_instead(request, self.models))
        if help_ is not None:
            response = from_target(request, help_, course, request.outputs)
        self._offer(errand, course, response, None)
        return response

    def _run_now(self, request: InferRequest, course: Course) -> Local | None:
        served = self.models.find(request.model, request.version)
        local = Local(request, served, course)
        arrays = self.dispatch.run_now(served, local.feeds, local.names, request.nbytes)
        return None if arrays is None else local.take(arrays)

    async def _run_here(self, request: InferRequest, course: Course) -> Local:
        deadline = None if request.timeout is None else course.started + request.timeout
        with self.models.acquire(request.model, request.version) as served:
            local = Local(request, served, course)
            return local.take(await self.dispatch.run(served, local.feeds, local.names, request.nbytes, deadline))

    def _own(self, errand: Errand, local: Local, course: Course) -> InferResponse:
        response = local.response(errand.request)
        course.confidence = local.confidence
        self._offer(errand, course, response, local.confidence)
        return response

    def _offer(self, errand: Errand, course: Course, response: InferResponse | None, confidence: float | None) -> None:
        """Hard requests that got no better answer, and those that the device did not answer, are worth keeping."""
        if self.spool is not None and errand.need is not None:
            self.spool.offer(Example(errand.request, response, confidence, errand.need, course.release or ""))


def _by_name(models: Models) -> list[ServedModel]:
    """By name."""
    return [model for _, model in sorted(models.current().items())]


def _properties(session: Session) -> dict[str, dict[str, str]]:
    """What the integers of quantised tensors stand for: real = scale * (integer - zero_point); nothing without any."""
    properties = dict[str, str]()
    for spec in (*session.inputs, *session.outputs):
        if spec.quantization is not None:
            properties[f"{spec.name}.scale"] = ",".join(map(str, spec.quantization.scales))
            properties[f"{spec.name}.zero_point"] = ",".join(map(str, spec.quantization.zero_points))
    return {"properties": properties} if properties else {}


def _spec(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}
