"""Every path of the Open Inference Protocol v2, as far as a head goes. Decides nothing: the data plane does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from edgewise_runtime.access.peer import Peer
from edgewise_runtime.dataplane import DataPlane
from edgewise_runtime.errors import ForbiddenError, NotFoundError, ServingError, shown
from edgewise_runtime.http.answer import Answer, json_answer
from edgewise_runtime.http.application import IGNORED, Call, refusal, route_of
from edgewise_runtime.http.head import Head
from edgewise_runtime.http.inference import inference_call
from edgewise_runtime.settings import Settings

_NOT_LOADED_HERE = "models are loaded and unloaded by the device's plan, not by clients; edit the EdgeDeployment"

Build = Callable[[Head], Call]
"""Makes the call of a path and method that exist."""


class Routes:
    """The serving port's Application."""

    def __init__(self, plane: DataPlane, settings: Settings) -> None:
        self._plane = plane
        self._settings = settings

    @property
    def draining(self) -> bool:
        return self._plane.draining

    def call(self, head: Head) -> Call:
        try:
            return self._found(head)(head)
        except ServingError as error:
            return refusal(error, guarded=True, refused=self._plane.count_refused if head.path[-1] == "infer" else None)

    def admit(self, head: Head, peer: Callable[[], Peer]) -> None:
        access = self._plane.access
        if not access.open:
            access.admit(head.headers.get("authorization"), peer())

    def _found(self, head: Head) -> Build:
        """NotFoundError, MethodError."""
        methods = self._methods(head.path[1:]) if head.path[0] == "v2" else {}
        if not methods:
            raise NotFoundError(
                f"Not Found: {head.method} {shown(head.target)}; the Open Inference Protocol is served below /v2"
            )
        return route_of(head, methods)

    def _methods(self, path: tuple[str, ...]) -> dict[str, Build]:
        """What is below /v2, by method; empty: nothing."""
        plane = self._plane
        match path:
            case ():
                return {"GET": _document(plane.server_metadata)}
            case ("health", "live"):
                return {"GET": _state("live", plane.live)}
            case ("health", "ready"):
                return {"GET": _state("ready", plane.ready)}
            case ("models",):
                return {"GET": _document(lambda: {"models": plane.model_names()})}
            case ("models", "stats"):
                return {"GET": _document(partial(plane.statistics, "", ""))}
            case ("models", name, "versions", version, *rest):
                return self._of_model(name, version, rest)
            case ("models", name, *rest):
                return self._of_model(name, "", rest)
            case ("repository", "index"):
                return {"POST": _document(plane.repository_index)}
            case ("repository", "models", _, "load" | "unload"):
                return {"POST": _refused(ForbiddenError(_NOT_LOADED_HERE))}
        return {}

    def _of_model(self, name: str, version: str, rest: list[str]) -> dict[str, Build]:
        plane = self._plane
        match rest:
            case []:
                return {"GET": _document(partial(plane.model_metadata, name, version))}
            case ["ready"]:
                return {"GET": _guarded(partial(self._model_ready, name, version))}
            case ["config"]:
                return {"GET": _document(partial(plane.model_config, name, version))}
            case ["stats"]:
                return {"GET": _document(partial(plane.statistics, name, version))}
            case ["infer"]:
                return {"POST": lambda head: inference_call(plane, self._settings, head, name, version)}
        return {}

    def _model_ready(self, name: str, version: str) -> Answer:
        ready = self._plane.model_ready(name, version)
        return json_answer({"name": name, "ready": ready}, 200 if ready else 503)


def _document(make: Callable[[], Any]) -> Build:
    return _guarded(lambda: json_answer(make()))


def _guarded(answer: Callable[[], Answer]) -> Build:
    return lambda _head: Call(lambda _body: answer(), IGNORED, guarded=True)


def _refused(error: ServingError) -> Build:
    return lambda _head: refusal(error, guarded=True)


def _state(word: str, holds: Callable[[], bool]) -> Build:
    """Health, open to all: probes and tritonclient look at the status, KServe's client reads the body."""

    def respond(_body: memoryview) -> Answer:
        state = holds()
        return json_answer({word: state}, 200 if state else 503)

    return lambda _head: Call(respond, IGNORED)
