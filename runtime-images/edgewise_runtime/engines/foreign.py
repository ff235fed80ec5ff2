"""Refuses what is known to be something else than the model that was announced, by its first bytes, before any parser.

A pickle runs code when it is opened, an archive may unpack to anything; none of them is ever opened here. Called by
engines.load, for every format.
"""

from __future__ import annotations

from pathlib import Path

from edgewise.api.names import Reason
from edgewise_runtime.engines.base import ModelLoadError

_SEEN = 512
_EXPORT = "export the model to ONNX (torch.onnx.export), or to another format that an EdgeModel knows"
_PICKLE = f"a Python pickle, which is code that runs when it is opened; nothing pickled is ever loaded: {_EXPORT}"
_KINDS = (
    (b"\x80\x02", _PICKLE),
    (b"\x80\x03", _PICKLE),
    (b"\x80\x04", _PICKLE),
    (b"\x80\x05", _PICKLE),
    (b"\x93NUMPY", f"a NumPy array: {_EXPORT}"),
    (b"\x89HDF", f"an HDF5 file, such as Keras writes: {_EXPORT}"),
    (b"GGUF", f"a GGUF file: {_EXPORT}"),
    (b"\x1f\x8b", "compressed with gzip: name the file in it"),
    (
        b"\x28\xb5\x2f\xfd",
        "compressed with zstd: `kubectl edgewise package` makes copies that devices unpack themselves",
    ),
    (b"\xfd7zXZ", "compressed with xz: name the file in it"),
    (b"BZh", "compressed with bzip2: name the file in it"),
    (b"7z\xbc\xaf", "a 7z archive: name the file in it"),
)
_ZIP, _TAR, _TAR_AT = b"PK\x03\x04", b"ustar", 257
_PYTORCH = (b"/data.pkl", b"/byteorder", b"/.data/")  # the first member of what torch.save writes
_TFLITE, _TFLITE_AT = b"TFL3", 4
_NO_TFLITE = "something that does not begin as a .tflite file does: convert the model with TensorFlow Lite's converter"
_TFLITE_FORMATS = frozenset({"TFLite", "EdgeTPU"})


def refuse_foreign(path: Path, format: str) -> None:  # noqa: A002  the API's word
    """ModelLoadError where the file is of a kind that no `format` is."""
    try:
        with path.open("rb") as file:
            begin = file.read(_SEEN)
    except OSError as error:
        raise ModelLoadError(Reason.LOAD_FAILED, f"the model's file cannot be read: {error}") from error
    if kind := _foreign(begin, format):
        raise ModelLoadError(Reason.LOAD_FAILED, f"the file is no {format}; it is {kind}")


def _foreign(begin: bytes, format: str) -> str:  # noqa: A002
    """What the file is instead; empty: it may be a model of that format."""
    if format in _TFLITE_FORMATS and begin[_TFLITE_AT:].startswith(_TFLITE):
        return ""
    if begin.startswith(_ZIP) and format != "OpenVINOIR":
        torch = any(mark in begin for mark in _PYTORCH)
        return f"what torch.save writes: {_PICKLE}" if torch else "a zip archive: name the file in it"
    if begin[_TAR_AT:].startswith(_TAR):
        return "a tar archive: name the file in it"
    known = next((kind for magic, kind in _KINDS if begin.startswith(magic)), "")
    return known or (_NO_TFLITE if format in _TFLITE_FORMATS else "")
