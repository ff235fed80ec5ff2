"""The protocol without a transport: live, ready, metadata, infer. HTTP only translates into and out of it.

One request: find the model, check the input, run it here, weigh the answer, perhaps ask for help, count it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from edgewise_runtime import __version__
from edgewise_runtime.access import Access
from edgewise_runtime.engines.base import Array, Session, TensorSpec
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
from edgewise_runtime.ledger import DEVICE, Course, Ledger
from edgewise_runtime.metrics import Metrics
from edgewise_runtime.models import Models, ServedModel
from edgewise_runtime.protocol import catalogue
from edgewise_runtime.protocol.checks import feeds_of, outputs_of
from edgewise_runtime.protocol.messages import InferRequest, InferResponse, Scalar, Tensor
from edgewise_runtime.scheduling.dispatch import Dispatch

EXTENSIONS = ("binary_tensor_data", "model_configuration", "statistics", "model_repository")
SOURCE = "edgewise_source"
CONFIDENCE = "edgewise_confidence"
PRIVACY = "edgewise_privacy"


class _Local:
    """The device's own answer. It may hold one output more than the client wanted, for the confidence."""

    __slots__ = ("confidence", "feeds", "names", "outputs", "served", "wanted")

    def __init__(self, request: InferRequest, served: ServedModel, course: Course) -> None:
        """BadRequestError where the request does not fit the model."""
        course.model, course.version = served.name, served.version
        self.served = served
        self.feeds = feeds_of(request, served.input_specs)
        self.wanted = self.names = outputs_of(request, served.output_names, served.output_specs)
        if served.measured is not None and served.measured.output not in self.wanted:
            self.names = (*self.wanted, served.measured.output)
        self.outputs: dict[str, Array]
        self.confidence: float | None = None

    def take(self, arrays: Sequence[Array]) -> _Local:
        """`arrays`: those of `names`."""
        self.outputs = dict(zip(self.names, arrays, strict=True))
        measured = self.served.measured
        if measured is not None:
            spec, output = self.served.output_specs[measured.output], self.outputs[measured.output]
            real = spec.quantization.real(output) if spec.quantization else output
            self.confidence = confidence_of(real, measured)
        return self


@dataclass
class DataPlane:
    """Used from the event loop only."""

    models: Models
    dispatch: Dispatch
    metrics: Metrics
    access: Access = field(default_factory=Access)
    """Whom both transports ask before they take a request in."""
    escalator: Escalator | None = None
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
        return self.models.ready and self.access.ready and not self.draining

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
        """ServingError where a request of `size` bytes would get it anyway: a model that is not here, a full queue."""
        if self.escalator is None:  # a target may take what this device cannot
            self.dispatch.refuse_early(self.models.find(name, version), size)

    def inputs_of(self, name: str, version: str) -> tuple[TensorSpec, ...]:
        return self.models.find(name, version).session.inputs

    def infer_now(self, request: InferRequest) -> InferResponse | None:
        """As `infer`, where nothing has to be waited for: the model is quick, nobody waits for it, no target would be
        asked. None: nothing was done or counted, await `infer`."""
        if self.escalator is not None:
            return None
        with Course(self.ledger) as course:
            if request.parameters:
                _private(request)
            served = self.models.find(request.model, request.version)
            local = _Local(request, served, course)
            arrays = self.dispatch.run_now(served, local.feeds, local.names, request.nbytes)
            if arrays is None:
                course.postponed = True
                return None
            return _from_device(request, local.take(arrays))

    async def infer(self, request: InferRequest, hops: int = 0) -> InferResponse:
        """The best answer there is. `hops`: how often others passed it on. ServingError where there is none."""
        with Course(self.ledger) as course:
            return await self._answer(request, hops, course)

    async def _answer(self, request: InferRequest, hops: int, course: Course) -> InferResponse:
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

    async def _run_here(self, request: InferRequest, course: Course) -> _Local:
        deadline = None if request.timeout is None else course.started + request.timeout
        with self.models.acquire(request.model, request.version) as served:
            local = _Local(request, served, course)
            return local.take(await self.dispatch.run(served, local.feeds, local.names, request.nbytes, deadline))

    def _expected(self, request: InferRequest) -> Expected:
        """Of a target, where there is no local answer to compare with."""
        try:
            served = self.models.find(request.model, request.version)
        except (UnavailableError, NotFoundError):
            return Expected(request.outputs)
        wanted = outputs_of(request, served.output_names, served.output_specs)
        return Expected(wanted, tuple(served.output_specs.values()))


def _by_name(models: Models) -> list[ServedModel]:
    """By name."""
    return [model for _, model in sorted(models.current().items())]


def _private(request: InferRequest) -> bool:
    """Whether the client forbids that anything of this request leaves the device."""
    wish = request.parameters.get(PRIVACY, "allow")
    if wish not in ("allow", "never"):
        raise BadRequestError(f"parameters.{PRIVACY} must be allow or never, not {shown(wish)}")
    return wish == "never"


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


def _compared(local: _Local) -> Expected:
    """A target must give what the client wanted, and the output that tells whether it is any better."""
    confidence = local.served.measured
    assert confidence is not None  # noqa: S101  only an answer with a confidence is compared
    output = local.outputs[confidence.output]
    rows = len(output) if output.ndim else None
    specs = tuple(local.served.output_specs.values())
    return Expected(tuple(local.outputs), specs, confidence, local.confidence, rows)


def _from_device(request: InferRequest, local: _Local) -> InferResponse:
    served, given, specs = local.served, local.outputs, local.served.output_specs
    outputs = tuple([Tensor(name, specs[name].datatype, given[name]) for name in local.wanted])
    return InferResponse(served.name, served.version, outputs, request.id, _parameters(DEVICE, local.confidence))


def _from_target(request: InferRequest, help_: Help, wanted: tuple[str, ...], course: Course) -> InferResponse:
    """The target's answer under the name the client asked for, and with its version."""
    course.source = f"target:{help_.target}"
    given = {tensor.name: tensor for tensor in help_.response.outputs}
    outputs = tuple(given[name] for name in wanted or given)
    return InferResponse(
        request.model, help_.response.version, outputs, request.id, _parameters(course.source, help_.confidence)
    )


def _parameters(source: str, confidence: float | None) -> dict[str, Scalar]:
    return {SOURCE: source} if confidence is None else {SOURCE: source, CONFIDENCE: confidence}
