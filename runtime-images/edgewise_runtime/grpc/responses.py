"""The data plane's InferResponse to a ModelInferResponse message; tensors always raw, as tritonclient reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tritonclient.grpc import service_pb2 as pb

from edgewise_runtime.grpc.wire import join_response
from edgewise_runtime.protocol.datatypes import pack
from edgewise_runtime.protocol.messages import InferResponse, Scalar

_Output = pb.ModelInferResponse.InferOutputTensor


def encode_response(response: InferResponse) -> list[memoryview | bytes]:
    """The serialised message, in parts."""
    message = pb.ModelInferResponse(
        model_name=response.model,
        model_version=response.version,
        id=response.id or "",
        outputs=[_Output(name=t.name, datatype=t.datatype, shape=t.shape) for t in response.outputs],
    )
    _set_parameters(message.parameters, response.parameters)
    return join_response(message.SerializeToString(), [pack(t.data, t.datatype) for t in response.outputs])


def _set_parameters(target: Any, parameters: Mapping[str, Scalar]) -> None:
    for key, value in parameters.items():
        if isinstance(value, bool):
            target[key].bool_param = value
        elif isinstance(value, str):
            target[key].string_param = value
        elif isinstance(value, float):
            target[key].double_param = value
        else:
            target[key].int64_param = value
