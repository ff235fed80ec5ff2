"""Operators that are no part of ONNX: pre- and postprocessing inside a model's graph (onnxruntime-extensions).

Only a model that names them gets the library, so nobody else pays for it. Called by onnx.py.
"""

from __future__ import annotations

import importlib.util
import mmap
from pathlib import Path

from edgewise.api.names import Reason
from edgewise_runtime.engines.base import ModelLoadError
from edgewise_runtime.engines.onnx_file import LENGTH, fields

DOMAINS = frozenset({"ai.onnx.contrib", "com.microsoft.extensions"})
_OPSET_IMPORT, _DOMAIN = 8, 1  # fields of ModelProto and OperatorSetIdProto


def library_for(model: Path) -> str | None:
    """Path of the library with the operators that `model` names; None where it names none beyond ONNX's own.

    ModelLoadError where this device has no such library."""
    if not DOMAINS & _domains(model):
        return None
    # Looked up, not imported: its Python part brings the onnx package along, where that is installed.
    package = importlib.util.find_spec("onnxruntime_extensions")
    for folder in (package.submodule_search_locations or ()) if package is not None else ():
        for library in sorted(Path(folder).glob("_extensions_pydll*.so")):
            return str(library)
    raise ModelLoadError(
        Reason.NOT_SUPPORTED,
        "the model has operators of onnxruntime-extensions, which this image has not; add that package to it",
    )


def _domains(model: Path) -> set[str]:
    """Of all operators in the model. The file was found to be ONNX already."""
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return {
            data[first:last].decode(errors="replace")
            for number, wire, start, end in fields(data, 0, len(data))
            if (number, wire) == (_OPSET_IMPORT, LENGTH)
            for field, kind, first, last in fields(data, start, end)
            if (field, kind) == (_DOMAIN, LENGTH)
        }
