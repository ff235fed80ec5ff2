"""Documents about models, as Triton's HTTP extensions write them: configuration, statistics, repository index.

HTTP sends them as they are, gRPC makes messages of them: one shape for both, and for the clients that know Triton.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edgewise_runtime.engines.base import TensorSpec
from edgewise_runtime.models import ServedModel
from edgewise_runtime.protocol.datatypes import BYTES
from edgewise_runtime.statistics import Counts, Span

Document = dict[str, Any]

_BACKENDS = {"onnx_onnxv1": "onnxruntime", "tflite": "litert"}  # the engine, where it is not called like its format


def model_config(served: ServedModel) -> Document:
    """`max_batch_size` is 0, which says that `dims` are whole shapes (-1: any), batch dimension included."""
    session = served.session
    return {
        "name": served.name,
        "platform": session.platform,
        "backend": _BACKENDS.get(session.platform, session.platform),
        "max_batch_size": 0,
        "input": [_tensor(spec) for spec in session.inputs],
        "output": [_tensor(spec) for spec in session.outputs],
    }


def statistics(models: Iterable[tuple[ServedModel, Counts]]) -> Document:
    """Times in nanoseconds. Making tensors of bytes and bytes of tensors is not timed apart: those two stay 0."""
    return {"model_stats": [_statistics(served, counts) for served, counts in models]}


def repository_index(models: Iterable[ServedModel]) -> list[Document]:
    """All that is served; what is not served is not listed, for the plan decides what there is."""
    return [{"name": model.name, "version": model.version, "state": "READY", "reason": ""} for model in models]


def _tensor(spec: TensorSpec) -> Document:
    datatype = "STRING" if spec.datatype == BYTES else spec.datatype
    return {"name": spec.name, "data_type": f"TYPE_{datatype}", "dims": list(spec.shape)}


def _statistics(served: ServedModel, counts: Counts) -> Document:
    spans = {
        "success": counts.success,
        "fail": counts.fail,
        "queue": counts.queue,
        "compute_input": Span(),
        "compute_infer": counts.compute,
        "compute_output": Span(),
    }
    return {
        "name": served.name,
        "version": served.version,
        "last_inference": counts.last,
        "inference_count": counts.rows,
        "execution_count": counts.runs,
        "inference_stats": {name: {"count": span.count, "ns": span.ns} for name, span in spans.items()},
        "batch_stats": [],
    }
