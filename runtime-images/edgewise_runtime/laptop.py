"""What `edgewise-runtime serve` does beyond serving: loads a file by itself, and says how to ask it something."""

from __future__ import annotations

import math
import re
from pathlib import Path

from edgewise.api.names import Reason
from edgewise_runtime.engines import load as load_session
from edgewise_runtime.engines.base import EngineOptions, ModelLoadError, TensorSpec
from edgewise_runtime.models import ServedModel
from edgewise_runtime.protocol.binary import HEADER
from edgewise_runtime.protocol.datatypes import DTYPES

_FEW = 16  # values that are still nice to read in a command line


def load(path: Path, name: str) -> ServedModel:
    """Blocking. ModelLoadError where there is no such file, or no engine for it."""
    if not path.is_file():
        raise ModelLoadError(Reason.LOAD_FAILED, f"{path}: no such file")
    session = load_session(path, "ONNX", EngineOptions())
    name = name or re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-.") or "model"
    return ServedModel(name, version="1", variant=path.name, session=session)


def welcome(served: ServedModel, port: int) -> str:
    """Where it answers, and a curl command that works as it stands."""
    url = f"http://localhost:{port}/v2/models/{served.name}"
    provider = served.session.provider.removesuffix("ExecutionProvider")
    lines = [
        f"Serving {served.name} on {url} ({provider})",
        *[f"  in   {_described(spec)}" for spec in served.session.inputs],
        *[f"  out  {_described(spec)}" for spec in served.session.outputs],
        "Try:",
        f"  {_command(served.session.inputs, url)}",
        "Ctrl-C ends it.",
    ]
    return "\n".join(lines)


def _described(spec: TensorSpec) -> str:
    return f"{spec.name}: {spec.datatype} {list(spec.shape)}"


def _command(inputs: tuple[TensorSpec, ...], url: str) -> str:
    """Zeros: as JSON where they are few, as binary data where they are many; BYTES can only be shown as JSON."""
    if sum(map(_count, inputs)) <= _FEW or any(spec.datatype not in DTYPES for spec in inputs):
        tensors = ",".join(map(_json, inputs))
        return f"""curl {url}/infer -d '{{"inputs":[{tensors}]}}'"""
    message = '{"inputs":[' + ",".join(map(_binary, inputs)) + "]}"
    zeros = f"head -c {sum(map(_nbytes, inputs))} /dev/zero"
    return f"""(printf '{message}'; {zeros}) | curl -s {url}/infer -H '{HEADER}: {len(message)}' --data-binary @-"""


def _shape(spec: TensorSpec) -> list[int]:
    return [1 if size == -1 else size for size in spec.shape]


def _count(spec: TensorSpec) -> int:
    return math.prod(_shape(spec))


def _nbytes(spec: TensorSpec) -> int:
    return _count(spec) * DTYPES[spec.datatype].itemsize


def _json(spec: TensorSpec) -> str:
    zero = {"BOOL": "false", "BYTES": '"text"'}.get(spec.datatype, "0")
    data = ",".join([zero] * _count(spec))
    return f'{{"name":"{spec.name}","datatype":"{spec.datatype}","shape":{_shape(spec)},"data":[{data}]}}'


def _binary(spec: TensorSpec) -> str:
    parameters = f'{{"binary_data_size":{_nbytes(spec)}}}'
    tensor = f'"name":"{spec.name}","datatype":"{spec.datatype}","shape":{_shape(spec)}'
    return f'{{{tensor},"parameters":{parameters}}}'
