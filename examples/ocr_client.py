"""Sends a picture through the pipeline of example 06 and prints the text in it, line by line, and how long that took.

    python examples/ocr_client.py http://127.0.0.1:8000 build/examples/page.png
    0.98  Region-based segmentation
    ...
    6 lines in 231 ms

The picture goes as it is: the device decodes it.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tritonclient import http as client


@dataclass(frozen=True)
class Line:
    """One line of text, how sure the reader is of it, and its corners in the picture: [4, 2], clockwise."""

    text: str
    score: float
    corners: np.ndarray


@dataclass(frozen=True)
class Page:
    """Lines in reading order, and the seconds the answer took."""

    lines: list[Line]
    seconds: float

    def __str__(self) -> str:
        told = "".join(f"{line.score:.2f}  {line.text}\n" for line in self.lines)
        return f"{told}{len(self.lines)} lines in {self.seconds * 1000:.0f} ms"


def read(server: client.InferenceServerClient, picture: bytes, model: str = "ocr") -> Page:
    """The text in one JPEG, PNG or WebP."""
    image = client.InferInput("image", [1], "BYTES")
    image.set_data_from_numpy(np.array([picture], dtype=object))
    names = ("detect.quads", "orient.item", "read.text", "read.score", "read.item")
    start = time.perf_counter()
    answer = server.infer(model, [image], outputs=[client.InferRequestedOutput(name) for name in names])
    seconds = time.perf_counter() - start
    quads, oriented, texts, scores, items = (answer.as_numpy(name) for name in names)
    found = zip(texts, scores, quads[oriented[items]], strict=True)
    return Page([Line(text.decode(), float(score), quad) for text, score, quad in found], seconds)


def connect(url: str) -> client.InferenceServerClient:
    return client.InferenceServerClient(url.split("://")[-1].rstrip("/"), network_timeout=30.0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="HTTP address of the server, such as http://127.0.0.1:8000")
    parser.add_argument("picture", nargs="+", type=Path)
    parser.add_argument("--model", default="ocr")
    arguments = parser.parse_args()
    connection = connect(arguments.url)
    for path in arguments.picture:
        sys.stdout.write(f"{read(connection, path.read_bytes(), arguments.model)}\n")
