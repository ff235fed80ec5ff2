"""What a target says a model takes and gives. Asked by a gateway, which has no model of its own to look at."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from edgewise_runtime.engines.base import TensorSpec
from edgewise_runtime.errors import BadRequestError
from edgewise_runtime.escalation.targets.messages import description, fields, string, text
from edgewise_runtime.protocol import rules

_NAME, _PLATFORM, _INPUTS, _OUTPUTS = 1, 3, 4, 5


@dataclass(frozen=True)
class Interface:
    """Of one model."""

    platform: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def from_json(body: bytes | bytearray) -> Interface:
    """Out of the answer to GET /v2/models/<model>; ValueError where it is none."""
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError("a model's metadata is an object")
    inputs, outputs = (tuple(map(_spec, _list(document, key))) for key in ("inputs", "outputs"))
    return _sound(Interface(str(document.get("platform", "")), inputs, outputs))


def question_about(model: str) -> bytes:
    """ModelMetadataRequest, serialised."""
    return text(_NAME, model)


def from_message(message: memoryview) -> Interface:
    """Out of a ModelMetadataResponse; ValueError, BadRequestError where it is none."""
    platform, tensors = "", {_INPUTS: list[TensorSpec](), _OUTPUTS: list[TensorSpec]()}
    for number, content in fields(message):
        if number == _PLATFORM:
            platform = string(content)
        elif number in tensors:
            tensors[number].append(_tensor(*description(content)))
    return _sound(Interface(platform, tuple(tensors[_INPUTS]), tuple(tensors[_OUTPUTS])))


def _spec(entry: Any) -> TensorSpec:
    if not isinstance(entry, dict):
        raise ValueError("a tensor is an object")
    return _tensor(entry.get("name"), entry.get("datatype"), _list(entry, "shape"))


def _list(document: dict[str, Any], key: str) -> list[Any]:
    found = document.get(key)
    if not isinstance(found, list):
        raise ValueError(f"{key} is no list")
    return found


def _tensor(name: Any, datatype: Any, shape: list[Any]) -> TensorSpec:
    if not isinstance(name, str) or not name:
        raise ValueError("a tensor has no name")
    return TensorSpec(name, rules.datatype(datatype, name), tuple(rules.shape(shape, name, least=-1)))


def _sound(found: Interface) -> Interface:
    if not found.inputs or not found.outputs:
        raise BadRequestError("a model has inputs and outputs")
    return found
