"""Reads the JSON part of a message field by field, so that every wrong one is named. Used by the codecs here."""

from __future__ import annotations

import contextlib
import json
from typing import Any, NoReturn

import orjson

from edgewise_runtime.errors import BadRequestError, shown
from edgewise_runtime.protocol import numbers
from edgewise_runtime.protocol.messages import Scalar

MAX_TENSORS = 256
MAX_PARAMETERS = 64
MAX_NAME = 256
MAX_RANK = 32  # numpy 1's own limit
MAX_SIZE = 2**63

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


def objects(parent: Json, key: str, where: str) -> list[Json]:
    """A list of objects; absent is empty."""
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadRequestError(f"{where}{key} must be a list of objects")
    if len(value) > MAX_TENSORS:
        raise BadRequestError(f"{where}{key} has {len(value)} entries, at most {MAX_TENSORS} are taken")
    return value


def name_of(item: Json, where: str) -> str:
    name = item.get("name")
    if not (isinstance(name, str) and 0 < len(name) <= MAX_NAME and _is_text(name)):
        raise BadRequestError(f"each of {where} needs a name of 1 to {MAX_NAME} characters, not {shown(name)}")
    return name


def text(parent: Json, key: str) -> str | None:
    """A short string; absent is None."""
    value = parent.get(key)
    if value is not None and not (isinstance(value, str) and len(value) <= 1024 and _is_text(value)):
        raise BadRequestError(f"{key} must be a string of at most 1024 characters, not {shown(value)}")
    return value


def shape(item: Json, name: str, least: int) -> tuple[int, ...]:
    """Sizes of at least `least`: 1 for inputs, since an empty tensor could name a huge batch without sending a byte."""
    sizes = item.get("shape")
    if isinstance(sizes, list) and len(sizes) <= MAX_RANK and all(_is_size(size, least) for size in sizes):
        return tuple(sizes)
    raise BadRequestError(
        f"{name}: shape must be a list of at most {MAX_RANK} integers from {least} up, not {shown(sizes)}"
    )


def parameters(parent: Json, where: str) -> dict[str, Scalar]:
    """Strings, numbers and booleans by name; absent is empty."""
    value = parent.get("parameters")
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > MAX_PARAMETERS:
        raise BadRequestError(f"{where}parameters must be an object of at most {MAX_PARAMETERS} members")
    for key, item in value.items():
        if not isinstance(item, (str, int, float, bool)):
            raise BadRequestError(f"{where}parameters: {shown(key)} must be a string, a number or a boolean")
    return value


def microseconds(values: dict[str, Scalar], key: str) -> float | None:
    """A parameter in microseconds, in seconds; absent, or 0 as tritonclient writes it, is None."""
    value = values.get(key)
    if value is not None and (type(value) is not int or not 0 <= value < MAX_SIZE):
        raise BadRequestError(f"parameters.{key} must be a number of microseconds from 0 up, not {shown(value)}")
    return value / 1e6 if value else None


def flag(values: dict[str, Scalar], key: str, where: str) -> bool | None:
    """A boolean parameter; absent is None."""
    value = values.get(key)
    if value is not None and not isinstance(value, bool):
        raise BadRequestError(f"{where}: {key} must be true or false, not {shown(value)}")
    return value


def _is_text(value: str) -> bool:
    """False for half a surrogate pair, which JSON can escape and UTF-8 cannot say."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_size(value: Any, least: int) -> bool:
    return type(value) is int and least <= value < MAX_SIZE


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"JSON has no {constant}; send the tensor as binary data")
