"""The methods of inference.GRPCInferenceService: messages in, the data plane's answers out. Decides nothing.

Imported by the first call (see service.py): protobuf and the protocol's messages, tritonclient's, take 12 MiB.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError, Message
from tritonclient.grpc import service_pb2 as pb

from edgewise_runtime.dataplane import DataPlane
from edgewise_runtime.errors import BadRequestError, NotServedError, ServingError
from edgewise_runtime.escalation.hops import HOPS_HEADER
from edgewise_runtime.grpc.heads import Head
from edgewise_runtime.grpc.method import Answer, Caller, Later, Method
from edgewise_runtime.grpc.requests import decode_request
from edgewise_runtime.grpc.responses import encode_response
from edgewise_runtime.grpc.wire import as_varint, join_response
from edgewise_runtime.protocol.messages import InferRequest
from edgewise_runtime.settings import Settings

log = logging.getLogger(__name__)

_SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
_OURS = ServingError("an error of this server; its log has the details")
_SMALL = 64 * 1024  # bytes: all messages but ModelInferRequest are a name and a version

Respond = Callable[[memoryview, Caller], Answer | Later]


@dataclass(frozen=True)
class _Method:
    respond: Respond
    limit: int = _SMALL
    streaming: bool = False


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
    inference = _Inference(plane, settings.max_json)
    methods = {name: _Method(_document(name, ask)) for name, ask in asked.items()}
    methods["ModelInfer"] = _Method(inference.respond, settings.max_body)
    methods["ModelStreamInfer"] = _Method(inference.respond_in_stream, settings.max_body, streaming=True)
    for method in _SERVICE.methods:
        methods.setdefault(method.name, _Method(_not_served(method.name)))
    return {f"/{_SERVICE.full_name}/{name}": method for name, method in methods.items()}


@dataclass(frozen=True)
class _Inference:
    plane: DataPlane
    max_head: int

    def respond(self, message: memoryview, caller: Caller) -> Answer | Later:
        """At once where the model is quick."""
        request = self._decode(message, caller.seconds)
        response = self.plane.infer_now(request)
        return partial(self._wait, request, caller.head) if response is None else encode_response(response)

    def respond_in_stream(self, message: memoryview, caller: Caller) -> Answer | Later:
        """A request that cannot be served does not end the stream: its answer says why."""
        try:
            caller.admit()
            outcome = self.respond(message, caller)
        except ServingError as error:
            return _told(error)
        except Exception:
            log.exception("a request of a stream failed")
            return _told(_OURS)
        return partial(self._wait_in_stream, outcome) if callable(outcome) else _wrapped(outcome)

    def _decode(self, message: memoryview, patience: float | None) -> InferRequest:
        try:
            return decode_request(message, self.max_head, patience)
        except ServingError as error:
            self.plane.count_refused(error)
            raise

    async def _wait(self, request: InferRequest, head: Head) -> Answer:
        return encode_response(await self.plane.infer(request, _hops(head)))

    async def _wait_in_stream(self, later: Later) -> Answer:
        try:
            return _wrapped(await later())
        except ServingError as error:
            return _told(error)
        except Exception:
            log.exception("a request of a stream failed")
            return _told(_OURS)


def _wrapped(answer: Answer) -> Answer:
    """As the infer_response (field 2) of a ModelStreamInferResponse."""
    return [b"\x12", as_varint(sum(map(len, answer))), *answer]


def _told(error: ServingError) -> Answer:
    return [pb.ModelStreamInferResponse(error_message=str(error)).SerializeToString()]


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
    if not head.hops:
        return 0
    if not (head.hops.isascii() and head.hops.isdigit() and len(head.hops) < 16):
        raise BadRequestError(f"{HOPS_HEADER} must be one number from 0 up")
    return int(head.hops)
