"""The protocol over HTTP: reads a body within bounds, calls the data plane, writes the answer. Decides nothing."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp.web_exceptions import HTTPException

from edgewise_runtime.body import read_body
from edgewise_runtime.dataplane import DataPlane
from edgewise_runtime.errors import BadRequestError, OverloadedError, ServingError, shown
from edgewise_runtime.escalation.client import HOPS_HEADER
from edgewise_runtime.protocol.binary import HEADER
from edgewise_runtime.protocol.messages import InferRequest
from edgewise_runtime.protocol.requests import decode_raw, decode_request
from edgewise_runtime.protocol.responses import encode_response
from edgewise_runtime.settings import Settings

log = logging.getLogger(__name__)


class Routes:
    """Every path of the Open Inference Protocol v2, and nothing else."""

    def __init__(self, plane: DataPlane, settings: Settings) -> None:
        self._plane = plane
        self._settings = settings

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._finish, self._errors])
        model = "/v2/models/{model}"
        version = model + "/versions/{version}"
        app.add_routes(
            [
                web.get("/v2", self._server),
                web.get("/v2/health/live", self._live),
                web.get("/v2/health/ready", self._ready),
                web.get("/v2/models", self._models),
                *[web.get(path, self._metadata) for path in (model, version)],
                *[web.get(path + "/ready", self._model_ready) for path in (model, version)],
                *[web.post(path + "/infer", self._infer) for path in (model, version)],
            ]
        )
        return app

    async def _server(self, _: web.Request) -> web.Response:
        return _json(self._plane.server_metadata())

    async def _live(self, _: web.Request) -> web.Response:
        return _state(live=self._plane.live())

    async def _ready(self, _: web.Request) -> web.Response:
        return _state(ready=self._plane.ready())

    async def _models(self, _: web.Request) -> web.Response:
        return _json({"models": self._plane.model_names()})

    async def _metadata(self, request: web.Request) -> web.Response:
        return _json(self._plane.model_metadata(*_model(request)))

    async def _model_ready(self, request: web.Request) -> web.Response:
        name, version = _model(request)
        ready = self._plane.model_ready(name, version)
        return _json({"name": name, "ready": ready}, 200 if ready else 503)

    async def _infer(self, request: web.Request) -> web.Response:
        try:
            message = await self._decode(request)
        except ServingError as error:
            self._plane.count_refused(error)
            raise
        response = await self._plane.infer(message, _hops(request))
        body, json_size = encode_response(response, message.wants_binary)
        if json_size is None:
            return web.Response(body=body, content_type="application/json")
        return web.Response(body=body, content_type="application/octet-stream", headers={HEADER: str(json_size)})

    async def _decode(self, request: web.Request) -> InferRequest:
        name, version = _model(request)
        json_size = _json_size(request)
        body = await read_body(request, json_size, self._settings)
        if json_size == 0:
            return decode_raw(body, self._plane.inputs_of(name, version), name, version)
        return decode_request(body, json_size, name, version)

    @web.middleware
    async def _finish(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A draining server ends each connection after its answer: the client's next one goes to another pod."""
        response = await handler(request)
        response.headers["Server"] = "edgewise"
        if self._plane.draining:
            response.force_close()
        return response

    @web.middleware
    async def _errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every failure leaves as {"error": ...}."""
        try:
            return await handler(request)
        except ServingError as error:
            headers = {"Retry-After": "1"} if isinstance(error, OverloadedError) else {}
            return _json({"error": str(error)}, error.status, headers)
        except HTTPException as error:
            allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            text = f"{error.reason}: {request.method} {shown(request.path)}"
            return _json({"error": f"{text}; the Open Inference Protocol is served below /v2"}, error.status, allowed)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return _json({"error": "an error of this server; its log has the details"}, 500)


def _model(request: web.Request) -> tuple[str, str]:
    return request.match_info["model"], request.match_info.get("version", "")


def _json_size(request: web.Request) -> int | None:
    return _number(request, HEADER)


def _hops(request: web.Request) -> int:
    return _number(request, HOPS_HEADER) or 0


def _number(request: web.Request, header: str) -> int | None:
    values = request.headers.getall(header, [])
    if not values:
        return None
    if len(values) > 1 or not (values[0].isascii() and values[0].isdigit() and len(values[0]) < 16):
        raise BadRequestError(f"{header} must be one number from 0 up, not {shown(', '.join(values))}")
    return int(values[0])


def _state(**state: bool) -> web.Response:
    """The status code is what probes and tritonclient look at, the body what KServe's client reads."""
    return _json(state, 200 if all(state.values()) else 503)


def _json(content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    body = json.dumps(content).encode()
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)
