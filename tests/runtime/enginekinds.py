"""One table of engines, and the same small models in the format of each: whatever holds must hold for all."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions, Session
from edgewise_runtime.engines.openvino import _core, _openvino
from tests.runtime import tinyonnx, tinytflite
from tests.runtime.tinyonnx import ONNX_TYPES, info

NUMBERS = tuple(name for name in ONNX_TYPES if name not in ("BYTES", "BF16"))


@dataclass(frozen=True)
class Kind:
    """An engine with one of its formats."""

    engine: str
    format: str
    sums: Callable[[Path], Path]
    """Writes a model into a folder: twice = x + x, thrice = twice + x, any number of rows of 4."""
    echo: Callable[[Path, str], Path]
    """y = x, of two values of a datatype."""
    datatypes: tuple[str, ...] = NUMBERS
    accelerator: str = "GPU"
    """One that this machine lacks."""

    def load(self, path: Path, *providers: str, threads: int = 1, required: bool = False) -> Session:
        options = EngineOptions(self.engine, providers, threads=threads, require_accelerator=required)
        return load(path, self.format, options)


def onnx_sums(folder: Path) -> Path:
    nodes = [helper.make_node("Add", ["x", "x"], ["twice"]), helper.make_node("Add", ["twice", "x"], ["thrice"])]
    ports = [info(name, TensorProto.FLOAT, ["n", 4]) for name in ("x", "twice", "thrice")]
    return tinyonnx.save(folder / "sums.onnx", nodes, ports[:1], ports[1:])


def onnx_echo(folder: Path, datatype: str) -> Path:
    return tinyonnx.echo(folder, datatype, ["n"])


def as_ir(make: Callable[..., Path], folder: Path, *arguments: str) -> Path:
    """The ONNX model that `make` writes, as OpenVINO's IR in a zip."""
    return ir(make(folder, *arguments), folder)


def ir(path: Path, folder: Path) -> Path:
    """An ONNX model as OpenVINO's IR in a zip."""
    xml = folder / f"{path.stem}.xml"
    _openvino.save_model(_core().read_model(path), xml, compress_to_fp16=False)
    return zipped(xml.with_suffix(".zip"), xml, xml.with_suffix(".bin"))


def zipped(path: Path, *files: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.name)
    return path


KINDS = {
    "ONNX Runtime": Kind(
        "ONNXRuntime", "ONNX", onnx_sums, onnx_echo, (*NUMBERS, "BF16", "BYTES"), "CUDAExecutionProvider"
    ),
    "LiteRT": Kind("LiteRT", "TFLite", tinytflite.sums, tinytflite.echo, (*NUMBERS, "BYTES"), "EdgeTPU"),
    "OpenVINO with ONNX": Kind("OpenVINO", "ONNX", onnx_sums, onnx_echo),
    "OpenVINO with its IR": Kind("OpenVINO", "OpenVINOIR", partial(as_ir, onnx_sums), partial(as_ir, onnx_echo)),
}


def rows(count: int, first: float = 0.0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.arange(first, first + count * 4, dtype=np.float32).reshape(count, 4)
