"""The methods of inference.GRPCInferenceService: messages in, the data plane's answers out. Decides nothing.

Imported by the first call (see service.py): protobuf and the protocol's messages, tritonclient's, take 12 MiB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError, Message
from tritonclient.grpc import service_pb2 as pb

from edgewise_runtime.dataplane import DataPlane, Pending
from edgewise_runtime.errors import BadRequestError, NotServedError, ServingError, told
from edgewise_runtime.escalation.hops import HOPS_HEADER
from edgewise_runtime.grpc.heads import Head
from edgewise_runtime.grpc.method import Answer, Caller, Later, Method
from edgewise_runtime.grpc.requests import decode_request
from edgewise_runtime.grpc.responses import encode_response
from edgewise_runtime.grpc.wire import as_varint, join_response
from edgewise_runtime.protocol import rules
from edgewise_runtime.protocol.messages import InferResponse
from edgewise_runtime.settings import Settings

_SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
_SMALL = 64 * 1024  # bytes: all messages but ModelInferRequest are a name and a version

Respond = Callable[[memoryview, Caller], Answer | Later]


def _uncounted(_error: ServingError) -> None:
    """Only requests to infer are counted."""


@dataclass(frozen=True)
class _Method:
    respond: Respond
    limit: int = _SMALL
    streaming: bool = False
    refused: Callable[[ServingError], None] = _uncounted


def methods_of(plane: DataPlane, settings: Settings) -> dict[str, Method]:
    """{path: method}, those that are not served here included."""
    asked: dict[str, Callable[[Any], Any]] = {
        "ServerLive": lambda _: {"live": plane.live()},
        "ServerReady": lambda _: {"ready": plane.ready()},
        "ModelReady": lambda m: {"ready": plane.model_ready(m.name, m.version)},
        "ServerMetadata": lambda _: plane.server_metadata(),
        "ModelMetadata": lambda m: plane.model_metadata(m.name, m.version),
        "ModelConfig": lambda m: {"config": plane.model_config(m.name, m.version)},
        "ModelStatistics": lambda m: plane.statistics(m.name, m.version),
        "RepositoryIndex": lambda _: {"models": plane.repository_index()},
    }
    inference, large, counted = _Inference(plane, settings.max_json), settings.max_body, plane.count_refused
    methods = {name: _Method(_document(name, ask)) for name, ask in asked.items()}
    methods["ModelInfer"] = _Method(inference.respond, large, refused=counted)
    methods["ModelStreamInfer"] = _Method(inference.respond_in_stream, large, streaming=True, refused=counted)
    for method in _SERVICE.methods:
        methods.setdefault(method.name, _Method(_not_served(method.name)))
    return {f"/{_SERVICE.full_name}/{name}": method for name, method in methods.items()}


@dataclass(frozen=True)
class _Inference:
    plane: DataPlane
    max_head: int

    def respond(self, message: memoryview, caller: Caller) -> Answer | Later:
        """At once where the model is quick."""
        try:
            caller.admit()
            request, hops = decode_request(message, self.max_head, caller.seconds), _hops(caller.head)
        except ServingError as error:
            self.plane.count_refused(error)
            raise
        outcome = self.plane.infer_now(request, hops)
        return encode_response(outcome) if isinstance(outcome, InferResponse) else partial(_wait, outcome)

    def respond_in_stream(self, message: memoryview, caller: Caller) -> Answer | Later:
        """A request that cannot be served does not end the stream: its answer says why."""
        try:
            outcome = self.respond(message, caller)
        except Exception as error:  # noqa: BLE001  it is the answer
            return _told(error)
        return partial(self._wait_in_stream, outcome) if callable(outcome) else _wrapped(outcome)

    async def _wait_in_stream(self, later: Later) -> Answer:
        try:
            return _wrapped(await later())
        except Exception as error:  # noqa: BLE001  it is the answer
            return _told(error)


async def _wait(pending: Pending) -> Answer:
    return encode_response(await pending())


def _wrapped(answer: Answer) -> Answer:
    """As the infer_response (field 2) of a ModelStreamInferResponse."""
    return [b"\x12", as_varint(sum(map(len, answer))), *answer]


def _told(error: Exception) -> Answer:
    message = str(told(error, "a request of a stream"))
    return [pb.ModelStreamInferResponse(error_message=message).SerializeToString()]


def _document(name: str, ask: Callable[[Any], Any]) -> Respond:
    """Makes the method's response message of the document that `ask` gives for its request message."""
    method = _SERVICE.methods_by_name[name]
    request: type[Message] = getattr(pb, method.input_type.name)
    response: type[Message] = getattr(pb, method.output_type.name)

    def respond(message: memoryview, _caller: Caller) -> Answer:
        try:
            asked = request.FromString(bytes(message))
        except DecodeError:
            raise BadRequestError(f"the message is no {request.__name__}") from None
        document = dict(ask(asked))
        properties = document.pop("properties", {})
        return join_response(ParseDict(document, response()).SerializeToString(), map(_entry, properties.items()))

    return respond


def _entry(item: tuple[str, str]) -> bytes:
    """Of `map<string, string> properties = 6` in OIP's ModelMetadataResponse, which Triton's lacks. An entry is a
    message with the key as its first field and the value as its second: as this one, by another name."""
    key, value = item
    return bytes(pb.ServerMetadataResponse(name=key, version=value).SerializeToString())


def _not_served(name: str) -> Respond:
    reason = ": a plan, or the command line, says which models there are" if name.startswith("RepositoryModel") else ""

    def respond(_message: memoryview, _caller: Caller) -> Answer:
        raise NotServedError(f"{name} is not served here{reason}")

    return respond


def _hops(head: Head) -> int:
    return rules.header_number(head.hops, HOPS_HEADER) if head.hops else 0
