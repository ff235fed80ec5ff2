"""Answers on their way to a client: the device's own, a target's, and how either becomes a response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgewise_runtime.engines.base import Array
from edgewise_runtime.errors import BadRequestError, NotFoundError, UnavailableError, shown
from edgewise_runtime.escalation.policy import Help
from edgewise_runtime.escalation.review import Expected
from edgewise_runtime.ledger import DEVICE, Course
from edgewise_runtime.models import Models, ServedModel
from edgewise_runtime.protocol.checks import feeds_of, outputs_of
from edgewise_runtime.protocol.messages import InferRequest, InferResponse, Scalar, Tensor

SOURCE = "edgewise_source"
CONFIDENCE = "edgewise_confidence"
PRIVACY = "edgewise_privacy"


class Local:
    """The device's own answer. It may hold outputs that the client did not want, for the confidence."""

    __slots__ = ("confidence", "feeds", "names", "outputs", "served", "wanted")

    def __init__(self, request: InferRequest, served: ServedModel, course: Course) -> None:
        """BadRequestError where the request does not fit the model, UnavailableError where there is none to run."""
        course.model, course.version = served.name, served.version
        self.served = served
        self.feeds: Mapping[str, Array] = feeds_of(request, served.input_specs)
        self.wanted = self.names = outputs_of(request, served.output_names, served.output_specs)
        if served.sureness is not None:
            more = [name for name in served.sureness.outputs if name not in self.wanted]
            self.names = (*self.wanted, *more)
        self.outputs: dict[str, Array]
        self.confidence: float | None = None
        if served.remote:
            raise UnavailableError(
                f"this is a gateway without models, and no escalation target may or can answer for {served.name} now"
            )

    def take(self, arrays: Sequence[Array]) -> Local:
        """`arrays`: those of `names`."""
        self.outputs = dict(zip(self.names, arrays, strict=True))
        if self.served.sureness is not None:
            self.confidence = self.served.sureness.of(self.outputs, self._rows())
        return self

    def response(self, request: InferRequest) -> InferResponse:
        served, given, specs = self.served, self.outputs, self.served.output_specs
        outputs = tuple([Tensor(name, specs[name].datatype, given[name]) for name in self.wanted])
        return InferResponse(served.name, served.version, outputs, request.id, _parameters(DEVICE, self.confidence))

    def expected(self) -> Expected:
        """Of a target: what the client wanted, and the outputs that tell whether it is any better."""
        specs = tuple(self.served.output_specs.values())
        return Expected(self.names, specs, self.served.sureness, self._rows(), self.confidence)

    def _rows(self) -> int:
        """Of the answer; or pictures, where an answer has any number of rows for each."""
        sureness = self.served.sureness
        if sureness is None:
            return 1
        counted = next(iter(self.feeds.values())) if sureness.found_in else self.outputs[sureness.spec.name]
        return len(counted) if counted.ndim else 1


def expected_instead(request: InferRequest, models: Models) -> Expected:
    """Of a target, where there is no local answer to compare with."""
    try:
        served = models.find(request.model, request.version)
    except (UnavailableError, NotFoundError):
        return Expected(request.outputs)
    wanted = outputs_of(request, served.output_names, served.output_specs)
    return Expected(wanted, tuple(served.output_specs.values()))


def from_target(request: InferRequest, help_: Help, course: Course, wanted: tuple[str, ...]) -> InferResponse:
    """The target's answer under the name the client asked for, and with its version."""
    course.source = f"target:{help_.target}"
    given = {tensor.name: tensor for tensor in help_.response.outputs}
    outputs = tuple(given[name] for name in wanted or given)
    parameters = _parameters(course.source, help_.confidence)
    return InferResponse(request.model, help_.response.version, outputs, request.id, parameters)


def is_private(request: InferRequest) -> bool:
    """Whether the client forbids that anything of this request leaves the device."""
    if not request.parameters:
        return False
    wish = request.parameters.get(PRIVACY, "allow")
    if wish not in ("allow", "never"):
        raise BadRequestError(f"parameters.{PRIVACY} must be allow or never, not {shown(wish)}")
    return wish == "never"


def _parameters(source: str, confidence: float | None) -> dict[str, Scalar]:
    return {SOURCE: source} if confidence is None else {SOURCE: source, CONFIDENCE: confidence}
