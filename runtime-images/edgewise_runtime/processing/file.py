"""Reads what an EdgeModel has under spec.processing from a YAML file. Called by laptop.py for `serve --processing`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from edgewise.api.names import Reason
from edgewise.api.processing import Processing
from edgewise_runtime.engines.base import ModelLoadError


def read(path: Path) -> Processing:
    """ModelLoadError, in one line, where the file is none. Stricter than the cluster: a field that does not exist is a
    mistake."""
    try:
        given = yaml.safe_load(path.read_text())
        if (empty := next(_empty(given, ""), None)) is not None:
            raise _refusal(path, f"{empty}: nothing stands there; a step without parameters is written {{}}")
        processing = Processing.model_validate(given)
    except ValidationError as error:
        raise _refusal(path, _first(error)) from error
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: no UTF-8, or a date that is in no calendar
        raise _refusal(path, " ".join(str(error).split())) from error
    if (unknown := next(_unknown(given, processing.wire(), ""), None)) is not None:
        raise _refusal(path, f"{unknown}: there is no such field")
    return processing


def _refusal(path: Path, problem: str) -> ModelLoadError:
    return ModelLoadError(Reason.LOAD_FAILED, f"{path} is no processing as an EdgeModel has it: {problem}")


def _first(error: ValidationError) -> str:
    """What is wrong, and where."""
    first = error.errors()[0]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    quotes = "; put it in quotes" if first["type"] == "string_type" else ""
    return f"{where or 'the file'}: {first['msg'].removeprefix('Value error, ')}{quotes}"


def _empty(given: Any, where: str) -> Iterator[str]:
    """Paths of what was named and left open, as in `- decodeImage:`."""
    if isinstance(given, dict):
        for key, value in given.items():
            yield from [f"{where}.{key}".lstrip(".")] if value is None else _empty(value, f"{where}.{key}")
    if isinstance(given, list):
        for index, value in enumerate(given):
            yield from _empty(value, f"{where}[{index}]")


def _unknown(given: Any, taken: Any, where: str) -> Iterator[str]:
    """Paths in `given` of which nothing came into `taken`."""
    if isinstance(given, dict) and isinstance(taken, dict):
        for key, value in given.items():
            path = f"{where}.{key}".lstrip(".")
            if key in taken:
                yield from _unknown(value, taken[key], path)
            else:
                yield path
    if isinstance(given, list) and isinstance(taken, list):
        for index, (value, other) in enumerate(zip(given, taken, strict=True)):
            yield from _unknown(value, other, f"{where}[{index}]")
