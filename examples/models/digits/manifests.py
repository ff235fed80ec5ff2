"""Writes the EdgeModel YAML of examples 01 and 02 from metrics.json: no figure in them is typed. Used by train.py."""

from __future__ import annotations

from typing import Any

STORE = "http://model-store.edgewise-demo.svc:8080"
"""Where examples/00-model-store serves the files."""

_HEAD = """\
# Written by examples/models/digits/train.py: sizes, hashes and accuracies are measured.
apiVersion: edgewise.dev/v1alpha1
kind: EdgeModel
metadata:
  name: digits
spec:
  version: {version}
  task: Classification
  description: {description}
  confidence: {{output: logits, method: SoftmaxMax, temperature: "{temperature:.2f}"}}
  variants:
"""

_VARIANT = """\
  - name: {name}
    format: ONNX
    precision: {precision}
    source:
      uri: {uri}
      sha256: {sha256}
      size: {size}
    memory: {memory}
    accuracy: "{accuracy:.3f}"
"""


def edge_model(version: str, metrics: dict[str, Any]) -> str:
    """The EdgeModel of one version with its int8 and fp32 builds."""
    release = metrics["versions"][version]
    text = _HEAD.format(version=version, **release)
    for precision in ("int8", "fp32"):
        file = f"digits-{precision}-{version}.onnx"
        measured = metrics["files"][file]
        text += _VARIANT.format(name=precision, precision=precision.upper(), uri=f"{STORE}/{file}", **measured)
    return text
