"""What `edgewise-runtime serve` does beyond serving: loads a file by itself, and says how to ask it something."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

from edgewise.api.names import Reason
from edgewise_runtime.access import Demands
from edgewise_runtime.engines import guess
from edgewise_runtime.engines import load as load_session
from edgewise_runtime.engines.base import EngineOptions, ModelLoadError, Session, TensorSpec
from edgewise_runtime.engines.memory import release
from edgewise_runtime.engines.zeros import least
from edgewise_runtime.models import ServedModel
from edgewise_runtime.processing import processed
from edgewise_runtime.processing.file import read
from edgewise_runtime.processing.session import ProcessedSession
from edgewise_runtime.protocol.binary import HEADER
from edgewise_runtime.protocol.datatypes import BYTES, item_size
from edgewise_runtime.tuning.tuner import Subject, Tuner

_FEW = 16  # values that are still nice to read in a command line


def load(path: Path, name: str, processing: Path | None, options: EngineOptions, tuner: Tuner) -> ServedModel:
    """Blocking. `processing`: a YAML file with what an EdgeModel has under spec.processing. No engine in `options`: the
    usual one for such a file. ModelLoadError where there is no such file, no engine for it, or where they do not fit.
    """
    if not path.is_file():
        raise ModelLoadError(Reason.LOAD_FAILED, f"{path}: no such file")
    format_, usual = guess(path)
    options = replace(options, engine=options.engine or usual)
    raw, choice = tuner.open(partial(load_session, path, format_), Subject(path.name, options))
    session = processed(raw, read(processing) if processing else None)
    release()  # what was only needed to load, and to tune
    name = name or re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-.") or "model"
    return ServedModel(name, version="1", variant=path.name, session=session, choice=choice)


def welcome(served: ServedModel, port: int, grpc_port: int | None, demands: Demands) -> str:
    """Where it answers, and a curl command that works as it stands (with $TOKEN set, where a token is demanded).

    `grpc_port`: None where gRPC is off."""
    url = f"{'https' if demands.certificate else 'http'}://localhost:{port}/v2/models/{served.name}"
    curl = f"curl {_shown(demands)}{url}"
    provider = served.session.provider.removesuffix("ExecutionProvider")
    lines = [
        f"Serving {served.name} on {url} ({provider})",
        *([f"  gRPC on localhost:{grpc_port}"] if grpc_port is not None else []),
        *[f"  in   {_described(spec)}" for spec in served.session.inputs],
        *[f"  out  {_described(spec)}" for spec in served.session.outputs],
        "Try:",
        f"  {_command(served.session.inputs, curl, _takes_a_picture(served.session))}",
        "Ctrl-C ends it.",
    ]
    return "\n".join(lines)


def _takes_a_picture(session: Session) -> bool:
    return isinstance(session, ProcessedSession) and session.intake is not None and len(session.inputs) == 1


def _described(spec: TensorSpec) -> str:
    return f"{spec.name}: {spec.datatype} {list(spec.shape)}"


def _shown(demands: Demands) -> str:
    """curl's options for what a guarded server wants to see."""
    trusted = f"--cacert {demands.certificate}/tls.crt " if demands.certificate else ""
    certificate = "--cert client.crt --key client.key " if demands.client_ca else ""
    token = '-H "Authorization: Bearer $TOKEN" ' if demands.tokens else ""
    return trusted + certificate + token


def _command(inputs: tuple[TensorSpec, ...], curl: str, pictures: bool) -> str:
    """Zeros: as JSON where they are few, as binary data where they are many; BYTES as text, or where they are a picture
    as a file."""
    if pictures:
        return f"{curl}/infer -H '{HEADER}: 0' --data-binary @picture.jpg"
    if sum(map(_count, inputs)) <= _FEW or any(spec.datatype == BYTES for spec in inputs):
        tensors = ",".join(map(_json, inputs))
        return f"""{curl}/infer -d '{{"inputs":[{tensors}]}}'"""
    message = '{"inputs":[' + ",".join(map(_binary, inputs)) + "]}"
    zeros = f"head -c {sum(map(_nbytes, inputs))} /dev/zero"
    return f"""(printf '{message}'; {zeros}) | {curl}/infer -s -H '{HEADER}: {len(message)}' --data-binary @-"""


def _count(spec: TensorSpec) -> int:
    return math.prod(least(spec))


def _nbytes(spec: TensorSpec) -> int:
    return _count(spec) * item_size(spec.datatype)


def _json(spec: TensorSpec) -> str:
    zero = {"BOOL": "false", "BYTES": '"text"'}.get(spec.datatype, "0")
    data = ",".join([zero] * _count(spec))
    return f'{{"name":"{spec.name}","datatype":"{spec.datatype}","shape":{list(least(spec))},"data":[{data}]}}'


def _binary(spec: TensorSpec) -> str:
    parameters = f'{{"binary_data_size":{_nbytes(spec)}}}'
    tensor = f'"name":"{spec.name}","datatype":"{spec.datatype}","shape":{list(least(spec))}'
    return f'{{{tensor},"parameters":{parameters}}}'
