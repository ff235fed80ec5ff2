"""Answers inference requests: body to InferRequest, data plane, InferResponse to body. One object for each head."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from edgewise_runtime.dataplane import DataPlane, Pending
from edgewise_runtime.errors import ServingError, TooLargeError
from edgewise_runtime.escalation.hops import HOPS_HEADER
from edgewise_runtime.http.answer import JSON, OCTETS, Answer
from edgewise_runtime.http.application import Call, Later
from edgewise_runtime.http.body import encoding_of
from edgewise_runtime.http.compression import Wish, wish_of
from edgewise_runtime.http.head import Head
from edgewise_runtime.ports.content import Intake
from edgewise_runtime.protocol import rules
from edgewise_runtime.protocol.binary import HEADER
from edgewise_runtime.protocol.messages import InferRequest, InferResponse
from edgewise_runtime.protocol.requests import decode_raw, decode_request
from edgewise_runtime.protocol.responses import encode_response
from edgewise_runtime.settings import Settings

_LARGE = 64 * 1024  # bytes of a body worth refusing before it comes


@dataclass(frozen=True)
class Inference:
    """What the head of a request says about it."""

    plane: DataPlane
    model: str
    version: str
    json_size: int | None
    """Length of the JSON part; None: there is nothing else. 0: there is none."""
    hops: int
    wish: Wish | None

    def respond(self, body: memoryview) -> Answer | Later:
        """At once where the model is quick."""
        try:
            request = self._decode(body)
        except ServingError as error:
            self.plane.count_refused(error)
            raise
        outcome = self.plane.infer_now(request, self.hops)
        if isinstance(outcome, InferResponse):
            return self._encode(request, outcome)
        return partial(self._wait, request, outcome)

    def _decode(self, body: memoryview) -> InferRequest:
        if self.json_size == 0:
            return decode_raw(body, self.plane.inputs_of(self.model, self.version), self.model, self.version)
        return decode_request(body, self.json_size, self.model, self.version)

    async def _wait(self, request: InferRequest, pending: Pending) -> Answer:
        outcome = self._encode(request, await pending())
        return outcome if isinstance(outcome, Answer) else await outcome()

    def _encode(self, request: InferRequest, response: InferResponse) -> Answer | Later:
        encoded, fields = encode_response(response, request.wants_binary), JSON
        if encoded.json_size is not None:
            fields = b"%b%b: %d\r\n" % (OCTETS, HEADER.encode(), encoded.json_size)
        answer = Answer(200, fields, encoded.parts, encoded.size)
        return answer if self.wish is None else self.wish.granted(answer)


def inference_call(plane: DataPlane, settings: Settings, head: Head, model: str, version: str) -> Call:
    """ServingError where the head is enough to refuse it."""
    json_size = _number(head, HEADER)
    inference = Inference(plane, model, version, json_size, _number(head, HOPS_HEADER) or 0, wish_of(head))
    length = head.length or 0
    check = partial(plane.refuse_early, model, version, length) if length > _LARGE else None
    intake = _intake(settings, head, json_size)
    return Call(inference.respond, intake, guarded=True, check=check, refused=plane.count_refused)


def _intake(settings: Settings, head: Head, json_size: int | None) -> Intake:
    if json_size is None:
        limit, advice = min(settings.max_json, settings.max_body), "; send large tensors as binary data"
    elif json_size > settings.max_json:
        raise TooLargeError(f"the JSON part is larger than the {settings.max_json} bytes this device takes")
    else:
        limit, advice = settings.max_body, ""
    return Intake(limit, json_size or 0, encoding_of(head), advice)


def _number(head: Head, name: str) -> int | None:
    value = head.headers.get(name.lower())
    return None if value is None else rules.header_number(value, name)
