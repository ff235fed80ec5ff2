"""Answers inference requests: body to InferRequest, data plane, InferResponse to body. One object for each head."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from edgewise_runtime.dataplane import DataPlane
from edgewise_runtime.errors import BadRequestError, ServingError, TooLargeError, shown
from edgewise_runtime.escalation.hops import HOPS_HEADER
from edgewise_runtime.http.answer import JSON, OCTETS, Answer
from edgewise_runtime.http.application import Call, Later
from edgewise_runtime.http.body import encoding_of
from edgewise_runtime.http.compression import QUICK, Wish, compressed, wish_of
from edgewise_runtime.http.head import Head
from edgewise_runtime.ports.content import Intake
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
        response = self.plane.infer_now(request)
        if response is None:
            return partial(self._wait, request)
        answer = _answer(request, response)
        if self.wish is not None:
            return partial(self._packed, answer)
        return answer

    def _decode(self, body: memoryview) -> InferRequest:
        if self.json_size == 0:
            return decode_raw(body, self.plane.inputs_of(self.model, self.version), self.model, self.version)
        return decode_request(body, self.json_size, self.model, self.version)

    async def _wait(self, request: InferRequest) -> Answer:
        answer = _answer(request, await self.plane.infer(request, self.hops))
        return await self._packed(answer)

    async def _packed(self, answer: Answer) -> Answer:
        wish = self.wish
        if wish is None or not wish.applies(answer, is_json=answer.fields == JSON):
            return answer
        if answer.size <= QUICK:
            return compressed(answer, wish.coding)
        return await asyncio.to_thread(compressed, answer, wish.coding)


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
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 16):
        raise BadRequestError(f"{name} must be one number from 0 up, not {shown(value)}")
    return int(value)


def _answer(request: InferRequest, response: InferResponse) -> Answer:
    encoded = encode_response(response, request.wants_binary)
    if encoded.json_size is None:
        return Answer(200, JSON, encoded.parts, encoded.size)
    fields = b"%b%b: %d\r\n" % (OCTETS, HEADER.encode(), encoded.json_size)
    return Answer(200, fields, encoded.parts, encoded.size)
