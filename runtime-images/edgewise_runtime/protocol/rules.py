"""What messages keep to, whether they come as JSON or as protobuf. Used by the codecs here and by gRPC's requests.py.

Each check says what to change; `where`, `key` and `name` say of what.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgewise_runtime.errors import BadRequestError, shown
from edgewise_runtime.protocol.datatypes import NAMES
from edgewise_runtime.protocol.messages import Scalar

MAX_PARAMETERS = 64
_MAX_TENSORS = 256
_MAX_NAME = 256
_MAX_TEXT = 1024
_MAX_RANK = 32  # numpy 1's own limit
_MAX_SIZE = 2**63
_DATATYPES = frozenset(NAMES)
_SHARED_MEMORY = "shared_memory_region"
_EXTENSIONS = {"classification", _SHARED_MEMORY}


def name(value: object, key: str) -> str:
    """Of one of the `key`."""
    if isinstance(value, str) and 0 < len(value) <= _MAX_NAME and _is_text(value):
        return value
    raise BadRequestError(f"each of the {key} needs a name of 1 to {_MAX_NAME} characters, not {shown(value)}")


def text(value: object, key: str) -> str:
    if isinstance(value, str) and len(value) <= _MAX_TEXT and _is_text(value):
        return value
    raise BadRequestError(f"{key} must be a string of at most {_MAX_TEXT} characters, not {shown(value)}")


def datatype(value: object, name: str) -> str:
    if isinstance(value, str) and value in _DATATYPES:
        return value
    raise BadRequestError(f"{name}: datatype must be one of {', '.join(NAMES)}, not {shown(value)}")


def shape(sizes: object, name: str, least: int) -> tuple[int, ...]:
    """Sizes of at least `least`: 1 for inputs, since an empty tensor could name a huge batch without sending a byte."""
    if isinstance(sizes, list) and len(sizes) <= _MAX_RANK and all(_is_size(size, least) for size in sizes):
        return tuple(sizes)
    raise BadRequestError(
        f"{name}: shape must be a list of at most {_MAX_RANK} integers from {least} up, not {shown(sizes)}"
    )


def few(tensors: Sequence[object], key: str) -> None:
    if len(tensors) > _MAX_TENSORS:
        raise BadRequestError(f"{key} has {len(tensors)} entries, at most {_MAX_TENSORS} are taken")


def distinct(names: Sequence[str], key: str) -> None:
    if len(names) > 1 and len(set(names)) < len(names):
        raise BadRequestError(f"{key} names {shown(max(names, key=names.count))} twice")


def no_shared_memory(parameters: Mapping[str, Scalar], name: str) -> None:
    """Of an input."""
    if _SHARED_MEMORY in parameters:
        raise BadRequestError(f"{name}: shared memory is not served here; send the tensor in the request")


def no_extension(parameters: Mapping[str, Scalar], name: str) -> None:
    """Of an output."""
    unknown = _EXTENSIONS & parameters.keys()
    if unknown:
        raise BadRequestError(f"{name}: the extension {min(unknown)} is not served here")


def microseconds(parameters: Mapping[str, Scalar], key: str) -> float | None:
    """A parameter in microseconds, in seconds; absent, or 0 as tritonclient writes it, is None."""
    value = parameters.get(key)
    if value is not None and (type(value) is not int or not 0 <= value < _MAX_SIZE):
        raise BadRequestError(f"parameters.{key} must be a number of microseconds from 0 up, not {shown(value)}")
    return value / 1e6 if value else None


def flag(parameters: Mapping[str, Scalar], key: str, where: str) -> bool | None:
    """A boolean parameter; absent is None."""
    value = parameters.get(key)
    if value is not None and not isinstance(value, bool):
        raise BadRequestError(f"{where}: {key} must be true or false, not {shown(value)}")
    return value


def header_number(value: str, name: str) -> int:
    """A header that is a number."""
    if value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    raise BadRequestError(f"{name} must be one number from 0 up, not {shown(value)}")


def _is_text(value: str) -> bool:
    """False for half a surrogate pair, which JSON can escape and UTF-8 cannot say."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_size(value: object, least: int) -> bool:
    return type(value) is int and least <= value < _MAX_SIZE
