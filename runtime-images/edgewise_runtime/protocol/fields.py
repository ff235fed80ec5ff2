"""Reads the JSON part of a message field by field, so that every wrong one is named. Used by the codecs here."""

from __future__ import annotations

import contextlib
import json
from typing import Any, NoReturn

import orjson

from edgewise_runtime.errors import BadRequestError, shown
from edgewise_runtime.protocol import numbers, rules
from edgewise_runtime.protocol.messages import Scalar

Json = dict[str, Any]


def parse_json(raw: memoryview) -> Json:
    """The message's JSON object. BadRequestError on anything else: broken UTF-8, NaN, nesting without end."""
    try:
        parsed = numbers.parse(raw) if raw.nbytes >= numbers.SMALLEST else orjson.loads(raw)
    except ValueError:
        parsed = _second_opinion(raw)
    if not isinstance(parsed, dict):
        raise BadRequestError("the JSON part must be an object with a member `inputs`")
    return parsed


def _second_opinion(raw: memoryview) -> Any:
    """Of orjson, then of the standard library: that one takes numbers of any size, which the tensor's datatype refuses
    by name, and says more clearly what it does not take."""
    with contextlib.suppress(orjson.JSONDecodeError):
        return orjson.loads(raw)
    try:
        return json.loads(str(raw, "utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise BadRequestError(
            f"the JSON part is not UTF-8 (byte {error.start}); binary data needs Inference-Header-Content-Length"
        ) from None
    except RecursionError:
        raise BadRequestError("the JSON part is nested too deeply") from None
    except ValueError as error:
        raise BadRequestError(f"the JSON part cannot be read: {error}") from None


def objects(parent: Json, key: str) -> list[Json]:
    """A list of objects; absent is empty."""
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadRequestError(f"{key} must be a list of objects")
    rules.few(value, key)
    return value


def text(parent: Json, key: str) -> str | None:
    """A short string; absent is None."""
    value = parent.get(key)
    return None if value is None else rules.text(value, key)


def parameters(parent: Json, where: str) -> dict[str, Scalar]:
    """Strings, numbers and booleans by name; absent is empty."""
    value = parent.get("parameters")
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > rules.MAX_PARAMETERS:
        raise BadRequestError(f"{where}parameters must be an object of at most {rules.MAX_PARAMETERS} members")
    for key, item in value.items():
        if not isinstance(item, (str, int, float, bool)):
            raise BadRequestError(f"{where}parameters: {shown(key)} must be a string, a number or a boolean")
    return value


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"JSON has no {constant}; send the tensor as binary data")
