"""Version 1.2.0 of the digits, which is a bad one: its classes come out in another order, as they do when somebody
sorts a list of labels. It loads, it is quick, it is sure of itself, and it is wrong. And what finds it out: 50 held-out
digits with their labels. For example 10; run with `python -m examples.models.digits.misordered`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

FOLDER = Path(__file__).parent
STEM, ORDER = "misordered", [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
EACH = 5  # of each digit


def misorder(source: Path, target: Path) -> None:
    """The same network with `logits` in another order."""
    model = onnx.load(source)
    graph = model.graph
    graph.node[-1].output[0] = STEM
    graph.initializer.append(numpy_helper.from_array(np.array(ORDER, np.int64), "order"))
    graph.node.append(helper.make_node("Gather", [STEM, "order"], ["logits"], "sorted", axis=1))
    helper.set_model_props(model, {"version": "1.2.0"})
    onnx.checker.check_model(model, full_check=True)
    target.write_bytes(model.SerializeToString(deterministic=True))


def golden(target: Path) -> None:
    """`input.image` FP32 [50,1,28,28] in 0..1, and `label.logits` [50]."""
    held_out = np.load(FOLDER / "heldout.npz")
    chosen = np.concatenate([np.flatnonzero(held_out["labels"] == digit)[:EACH] for digit in range(10)])
    images = held_out["images"][chosen][:, None].astype(np.float32) / np.float32(255)
    arrays = {"input.image": images, "label.logits": held_out["labels"][chosen].astype(np.int64)}
    np.savez_compressed(target, **arrays)


def main() -> None:
    for precision in ("int8", "fp32"):
        misorder(FOLDER / f"digits-{precision}-1.1.0.onnx", FOLDER / f"digits-{precision}-1.2.0.onnx")
    golden(FOLDER / "golden.npz")
    for path in (*sorted(FOLDER.glob("*-1.2.0.onnx")), FOLDER / "golden.npz"):
        print(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
