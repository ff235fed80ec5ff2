"""Measures a model file in ONNX Runtime: accuracy, confidence, memory. Used by train.py and by the tests."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read at import: without it, a session calls home

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from examples.models.digits.network import Array
from examples.models.digits.training import softmax

THRESHOLD = 0.85
"""Below this confidence examples/03-cloud-help asks the cloud."""

_MEMORY = """
import os, sys
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import numpy, onnxruntime
def status(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key))
images = numpy.zeros((64, 1, 28, 28), numpy.float32)
before = status("VmRSS")
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
for _ in range(20):
    session.run(None, {"image": images})
print(status("VmHWM") - before)
"""


def load(path: Path) -> ort.InferenceSession:
    """The model on one thread of the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def infer(path: Path, images: Array) -> Array:
    """Logits [N,10] of images [N,1,28,28]."""
    return np.asarray(load(path).run(["logits"], {"image": images})[0], np.float32)


def accuracy(logits: Array, labels: NDArray[np.int64]) -> float:
    """Share of rows whose greatest logit is the label's."""
    return round(float((logits.argmax(axis=1) == labels).mean()), 4)


def agreement(logits: Array, others: Array) -> float:
    """Share of rows on which two models say the same."""
    return round(float((logits.argmax(axis=1) == others.argmax(axis=1)).mean()), 4)


def temperature(logits: Array, labels: NDArray[np.int64]) -> float:
    """The divisor of the logits that makes the labels likeliest (Guo et al. 2017, section 4.2), to two digits."""
    rows = np.arange(len(labels))
    candidates = np.arange(50, 301) / 100
    likelihood = [np.log(softmax(logits / np.float32(value))[rows, labels] + 1e-12).mean() for value in candidates]
    return float(candidates[int(np.argmax(likelihood))])


def escalation(edge: Array, cloud: Array, labels: NDArray[np.int64], divisor: float) -> dict[str, float]:
    """What asking the cloud below THRESHOLD gives: share of requests asked, and accuracy of edge and cloud together."""
    unsure = softmax(edge / np.float32(divisor)).max(axis=1) < THRESHOLD
    together = accuracy(np.where(unsure[:, None], cloud, edge), labels)
    return {"confidenceBelow": THRESHOLD, "asked": round(float(unsure.mean()), 4), "accuracy": together}


def memory(path: Path) -> str:
    """Peak resident memory that loading the file and 20 runs of 64 images add to a process, up to the next 4 MiB."""
    result = subprocess.run([sys.executable, "-c", _MEMORY, str(path)], check=True, capture_output=True, text=True)
    return f"{math.ceil(int(result.stdout) / 4096) * 4}Mi"
