"""Files that are no models, and must not be opened to find that out."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zstandard

from edgewise.api.names import Reason
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions, ModelLoadError
from edgewise_runtime.engines.foreign import refuse_foreign
from tests.runtime.enginekinds import KINDS, Kind

RAN = "the pickle ran"


class Payload:
    """Fails the test that opens it."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return _run, (RAN,)


def _run(text: str) -> None:
    raise AssertionError(text)


def torch_archive() -> bytes:
    """As torch.save writes it: a zip without compression, whose first member is a pickle."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps(Payload()))
        archive.writestr("model/data/0", bytes(64))
    return target.getvalue()


def tar_archive() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../../etc/cron.d/evil"))
    return target.getvalue()


def array() -> bytes:
    target = io.BytesIO()
    np.save(target, np.array([Payload()], object), allow_pickle=True)
    return target.getvalue()


FOREIGN = {
    **{f"pickle protocol {n}": (pickle.dumps(Payload(), n), "nothing pickled is ever loaded") for n in (2, 3, 4, 5)},
    "a PyTorch checkpoint": (torch_archive(), "torch.save"),
    "a tar archive": (tar_archive(), "a tar archive"),
    "a NumPy array of objects": (array(), "a NumPy array"),
    "Keras": (b"\x89HDF\r\n\x1a\n" + bytes(600), "HDF5"),
    "GGUF": (b"GGUF" + bytes(600), "GGUF"),
    "gzip": (gzip.compress(b"model"), "gzip"),
    "zstd": (zstandard.compress(b"model"), "zstd"),
    "xz": (lzma.compress(b"model"), "xz"),
    "bzip2": (bz2.compress(b"model"), "bzip2"),
}


@pytest.mark.parametrize("format_", ["ONNX", "TFLite", "EdgeTPU", "OpenVINOIR"])
@pytest.mark.parametrize("case", FOREIGN)
def test_what_is_no_model_is_refused_by_its_first_bytes(case: str, format_: str, tmp_path: Path) -> None:
    content, says = FOREIGN[case]
    path = tmp_path / "m"
    path.write_bytes(content)
    if case == "a PyTorch checkpoint" and format_ == "OpenVINOIR":
        says = "a zip of one .xml and its .bin"
    with pytest.raises(ModelLoadError, match=says) as failure:
        load(path, format_, EngineOptions("OpenVINO" if format_ == "OpenVINOIR" else _engine(format_), threads=1))
    assert failure.value.reason == Reason.LOAD_FAILED


def _engine(format_: str) -> str:
    return "ONNXRuntime" if format_ == "ONNX" else "LiteRT"


def test_a_pickle_of_the_oldest_protocol_is_no_model_either_and_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(pickle.dumps(Payload(), 0))
    with pytest.raises(ModelLoadError):
        load(path, "ONNX", EngineOptions(threads=1))


def test_a_tflite_file_begins_as_one(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(bytes(4) + b"TFL2" + bytes(600))
    with pytest.raises(ModelLoadError, match=r"does not begin as a \.tflite file"):
        refuse_foreign(path, "TFLite")


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_models_of_every_kind_are_let_through(kind: Kind, tmp_path: Path) -> None:
    refuse_foreign(kind.sums(tmp_path), kind.format)
