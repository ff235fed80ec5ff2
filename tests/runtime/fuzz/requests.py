"""Requests in parts that can be changed one by one, and good ones to begin with."""

import json
import struct
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np

from tests.runtime.tinyonnx import ONNX_TYPES

_LARGE = 0.1  # of tensors: JSON of some kilobytes is read in another way than what is small
SIZE = "Inference-Header-Content-Length"
_NUMPY = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1", "INT16": "<i2",
    "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """An inference request. `raw` writes it with the lengths it should have; `headers` come on top of those."""

    path: str
    document: Any
    tail: bytes = b""
    binary: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "POST"

    @property
    def body(self) -> bytes:
        return self.text + self.tail

    @property
    def text(self) -> bytes:
        """The JSON part."""
        return json.dumps(self.document).encode("utf-8", "surrogatepass")

    def raw(self) -> bytes:
        sizes = [("Content-Length", str(len(self.body)))]
        if self.binary:
            sizes.append((SIZE, str(len(self.text))))
        return written(self.method, self.path, [*sizes, *self.headers], self.body)


@dataclass(frozen=True)
class Sample:
    """A tensor three ways: `values` as JSON has them, `raw` as binary data has them."""

    shape: list[int]
    values: list[Any]
    raw: bytes = field(repr=False)


def written(method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> bytes:
    """Bytes of a request, however wrong its headers are."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{method} {path} HTTP/1.1\r\nHost: device\r\n{lines}\r\n".encode("latin-1", "replace") + body


def good(random: Random) -> Request:
    """One that has to be answered with 200."""
    datatype = random.choice(list(ONNX_TYPES))
    tensor = sample(datatype, random)
    item: dict[str, Any] = {"name": "x", "datatype": datatype, "shape": tensor.shape}
    document: dict[str, Any] = {"inputs": [item]}
    request = Request(f"/v2/models/echo-{datatype}/infer", document)
    if random.random() < 0.5:
        item["parameters"] = {"binary_data_size": len(tensor.raw)}
        request = replace(request, tail=tensor.raw, binary=True)
    else:
        item["data"] = tensor.values
    if random.random() < 0.5:
        document["outputs"] = [{"name": "y", "parameters": {"binary_data": random.random() < 0.5}}]
    if random.random() < 0.3:
        document["id"] = f"request {random.randint(0, 999)}"
    if random.random() < 0.2:
        document["parameters"] = {"binary_data_output": random.random() < 0.5}
    return request


def sample(datatype: str, random: Random) -> Sample:
    """Of a few rows and columns, now and then of dozens."""
    most = 40 if random.random() < _LARGE else 4
    shape = [random.randint(1, most), random.randint(1, most)]
    count = shape[0] * shape[1]
    if datatype == "BYTES":
        texts = [random.choice(["", "a", "straße", "\x00", "x" * 40]) for _ in range(count)]
        raw = b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in texts)
        return Sample(shape, texts, raw)
    if datatype == "BF16":
        halves = [struct.pack("<f", random.uniform(-9, 9))[2:] for _ in range(count)]
        values = [struct.unpack("<f", b"\0\0" + half)[0] for half in halves]
        return Sample(shape, values, b"".join(halves))
    dtype = np.dtype(_NUMPY[datatype])
    if datatype == "BOOL":
        array = np.array([random.random() < 0.5 for _ in range(count)])
    elif dtype.kind == "f":
        array = np.array([random.uniform(-9, 9) for _ in range(count)]).astype(dtype)
    else:
        bounds = np.iinfo(dtype)
        array = np.array([random.randint(bounds.min, bounds.max) for _ in range(count)], dtype)
    return Sample(shape, array.tolist(), array.tobytes())
