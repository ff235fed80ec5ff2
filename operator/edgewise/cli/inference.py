"""Asks a server of the Open Inference Protocol for the logits of labelled examples, all tensors as binary data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.cli.asking import AskingError
from edgewise.cli.lines import Line

Array = NDArray[Any]

_HEADER = "Inference-Header-Content-Length"
_TYPES = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
_ROWS, _BYTES = 64, 2**20
"""Most of one request: a device serves others meanwhile, and a proxy on the way has limits."""
_DEVICE_ONLY = {"edgewise_privacy": "never"}
"""Else a device that is unsure asks its targets, and we would calibrate the cloud."""


@dataclass(frozen=True)
class _Metadata:
    """What a server says of a model: its tensors by name, and what the integers of quantised ones stand for."""

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    properties: Mapping[str, str]

    @classmethod
    def read(cls, body: bytes) -> _Metadata:
        """ValueError, TypeError or KeyError where it is none."""
        document = json.loads(body)
        inputs, outputs = ({tensor["name"]: tensor for tensor in document[key]} for key in ("inputs", "outputs"))
        return cls(inputs, outputs, document.get("properties", {}))

    @property
    def only_real(self) -> str:
        """Name of the only output with real numbers, or integers that stand for some; empty: there is none, or many."""
        real = [
            name
            for name, tensor in self.outputs.items()
            if tensor["datatype"].startswith("FP") or f"{name}.scale" in self.properties
        ]
        return real[0] if len(real) == 1 else ""


@dataclass(frozen=True)
class Model:
    """One model of a server."""

    line: Line
    name: str
    local: bool = False
    """A device's own answers are wanted, whatever it would ask others."""

    def logits(self, inputs: Mapping[str, Array], output: str) -> Array:
        """[examples, classes] of `inputs` {name: [examples, ...]}; `output` empty: the only one with real numbers.

        AskingError where inputs or output do not fit."""
        metadata = self._metadata()
        output = self._output(output, metadata)
        ready = self._fitting(inputs, metadata.inputs)
        rows, fixed = _rows(ready, metadata.inputs)
        pieces = []
        for start in range(0, len(next(iter(ready.values()))), rows):
            piece = {name: array[start : start + rows] for name, array in ready.items()}
            pieces.append(self._infer(piece, metadata.inputs, output, rows if fixed else 0))
        return _real(np.concatenate(pieces), output, metadata.properties)

    def _metadata(self) -> _Metadata:
        try:
            return _Metadata.read(self.line.ask(f"/v2/models/{self.name}").data)
        except (ValueError, TypeError, KeyError) as error:
            raise AskingError(f"{self.line.base} does not speak the Open Inference Protocol") from error

    def _output(self, wanted: str, metadata: _Metadata) -> str:
        output = wanted or metadata.only_real
        if output not in metadata.outputs:
            raise AskingError(
                f"model {self.name} has no output {wanted or 'that alone has real numbers'} (it has "
                f"{', '.join(metadata.outputs)}): let spec.confidence.output of the EdgeModel name one"
            )
        return output

    def _fitting(self, inputs: Mapping[str, Array], specs: Mapping[str, Any]) -> dict[str, Array]:
        if sorted(specs) != sorted(inputs):
            raise AskingError(
                f"model {self.name} takes {_described(specs)}; the file has {', '.join(sorted(inputs))}: "
                "name its arrays as the inputs are named, and the class numbers `labels`"
            )
        return {name: _fitting(array, specs[name]) for name, array in inputs.items()}

    def _infer(self, piece: Mapping[str, Array], specs: Mapping[str, Any], output: str, pad: int) -> Array:
        """`pad`: rows the model insists on; what is missing repeats the last row, and is cut off again."""
        count = len(next(iter(piece.values())))
        if pad > count:
            piece = {name: np.concatenate([array, array[-1:].repeat(pad - count, 0)]) for name, array in piece.items()}
        head, body = _encoded(piece, specs, output, _DEVICE_ONLY if self.local else {})
        sizes = {_HEADER: str(len(head)), "Content-Type": "application/octet-stream"}
        answer = self.line.ask(f"/v2/models/{self.name}/infer", head + body, **sizes)
        try:
            source, logits = _decoded(answer.data, answer.headers.get(_HEADER), output)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise AskingError(f"cannot read what {self.line.base} answered for {self.name}: {error!r}") from error
        if self.local and source != "device":
            raise AskingError(f"{source} answered at {self.line.base}, and no device: is none ready?")
        return logits[:count]


def _described(specs: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {spec['datatype']} {spec['shape']}" for name, spec in specs.items())


def _fitting(array: Array, spec: Mapping[str, Any]) -> Array:
    """`array` as the input wants it; never by a change of meaning, such as from bytes to 0..1."""
    wanted = _TYPES.get(spec["datatype"])
    said = f"{spec['name']} is {array.dtype} {list(array.shape)}, the model wants {spec['datatype']} {spec['shape']}"
    if wanted is None:
        raise AskingError(f"{said}: such inputs cannot be asked about; give the logits instead, with --logits")
    dtype, shape = np.dtype(wanted), spec["shape"]
    each = zip(shape[1:], array.shape[1:], strict=False)
    fits = len(shape) == array.ndim and all(want in (-1, have) for want, have in each)
    alike = np.can_cast(array.dtype, dtype, "same_kind" if array.dtype.kind == "f" else "safe")
    if not fits or not alike or (array.dtype.kind == "f") != (dtype.kind == "f"):
        raise AskingError(f"{said}: store what a client sends")
    return np.ascontiguousarray(array, dtype)


def _rows(inputs: Mapping[str, Array], specs: Mapping[str, Any]) -> tuple[int, bool]:
    """Examples for one request, and whether the model takes exactly so many."""
    fixed = [spec["shape"][0] for spec in specs.values() if spec["shape"][0] > 0]
    if fixed:
        return int(fixed[0]), True
    each = sum(array[:1].nbytes for array in inputs.values())
    return max(1, min(_ROWS, _BYTES // max(1, each))), False


def _encoded(
    piece: Mapping[str, Array], specs: Mapping[str, Any], output: str, parameters: Mapping[str, str]
) -> tuple[bytes, bytes]:
    tensors = [
        {
            "name": name,
            "datatype": specs[name]["datatype"],
            "shape": list(array.shape),
            "parameters": {"binary_data_size": array.nbytes},
        }
        for name, array in piece.items()
    ]
    wanted = [{"name": output, "parameters": {"binary_data": True}}]
    head = {"inputs": tensors, "outputs": wanted, **({"parameters": dict(parameters)} if parameters else {})}
    return json.dumps(head).encode(), b"".join(array.tobytes() for array in piece.values())


def _decoded(data: bytes, size: str | None, output: str) -> tuple[str, Array]:
    """Who answered, as edgewise says it, and what; a server that does not say is the device."""
    head = json.loads(data[: int(size)] if size else data)
    source = head.get("parameters", {}).get("edgewise_source", "device")
    (tensor,) = [tensor for tensor in head["outputs"] if tensor["name"] == output]
    dtype = np.dtype(_TYPES[tensor["datatype"]])
    if size is None:
        return source, np.array(tensor["data"], dtype).reshape(tensor["shape"])
    return source, np.frombuffer(data, dtype, offset=int(size)).reshape(tensor["shape"])


def _real(values: Array, output: str, properties: Mapping[str, str]) -> Array:
    """The numbers that a quantised model's integers stand for: real = scale * (integer - zero point)."""
    scale = properties.get(f"{output}.scale")
    if scale is None:
        return values
    zero = properties.get(f"{output}.zero_point", "0")
    real: Array = (values.astype(np.float64) - np.array(zero.split(","), float)) * np.array(scale.split(","), float)
    return real
