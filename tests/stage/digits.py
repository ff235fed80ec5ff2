"""The digits as a release of any size from any server: a network that knows them, and ballast that compresses badly."""

from __future__ import annotations

import base64
import random
from pathlib import Path
from typing import Any

import onnx
import yaml

FOLDER = Path("examples/models/digits")
UPDATE = Path("examples/02-model-update/edgemodel.yaml")


def weighing(size: int, seed: int) -> bytes:
    """An ONNX file of about `size` bytes that answers as digits 1.1.0 does; another seed, another sha256."""
    model = onnx.load(FOLDER / "digits-fp32-1.1.0.onnx")
    noise = random.Random(seed).randbytes(3 * (size - model.ByteSize()) // 4)
    model.doc_string = base64.b64encode(noise).decode()
    return model.SerializeToString()


def edge_model(version: str, source: dict[str, Any], name: str = "digits") -> dict[str, Any]:
    """The second example's EdgeModel with one build, from there."""
    body: dict[str, Any] = yaml.safe_load(UPDATE.read_text())
    body["metadata"]["name"] = name
    body["spec"]["version"] = version
    build = next(variant for variant in body["spec"]["variants"] if variant["name"] == "fp32")
    body["spec"]["variants"] = [{**build, "source": source}]
    return body
