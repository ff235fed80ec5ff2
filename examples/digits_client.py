"""Asks a server for the held-out digits, one at a time, and says how good, how fast, and who answered.

    python examples/digits_client.py http://127.0.0.1:8000
    accuracy 0.962 (1000 images)   p50 0.9 ms   p99 1.6 ms   answered by: device 1000

Of a guarded server it asks over https, with the CA to trust and a token: --ca tls.crt --token "$TOKEN".
Works with any server of the Open Inference Protocol: edgewise says in `parameters.edgewise_source` who answered.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tritonclient import http as client

HELD_OUT = Path(__file__).resolve().parent / "models" / "digits" / "heldout.npz"


@dataclass(frozen=True)
class Answer:
    """One image: was it right, after how many seconds, and who said it (`device`, `target:<name>`, or `unsaid`)."""

    right: bool
    seconds: float
    source: str


@dataclass(frozen=True)
class Summary:
    """Of all answers; milliseconds as the client sees them."""

    accuracy: float
    p50_ms: float
    p99_ms: float
    sources: dict[str, int]

    def __str__(self) -> str:
        count = sum(self.sources.values())
        sources = ", ".join(f"{source} {number}" for source, number in sorted(self.sources.items()))
        times = f"p50 {self.p50_ms:.1f} ms   p99 {self.p99_ms:.1f} ms"
        return f"accuracy {self.accuracy:.3f} ({count} images)   {times}   answered by: {sources}"


def connect(url: str, ca: str = "") -> client.InferenceServerClient:
    """`ca`: file of the CA to trust, for https; empty: those everybody trusts."""
    scheme, _, address = url.rpartition("://")
    tls = {"ssl": scheme == "https", "ssl_options": {"ca_certs": ca} if ca else None}
    return client.InferenceServerClient(address.rstrip("/"), network_timeout=10.0, **tls)


def ask(
    server: client.InferenceServerClient, model: str, image: np.ndarray, headers: dict[str, str]
) -> tuple[np.ndarray, str]:
    """Logits [10] of one image [28,28] of bytes, and who gave them."""
    tensor = client.InferInput("image", [1, 1, 28, 28], "FP32")
    tensor.set_data_from_numpy(image[None, None].astype(np.float32) / np.float32(255))
    result = server.infer(model, [tensor], headers=dict(headers))  # it adds its own
    source = result.get_response().get("parameters", {}).get("edgewise_source", "unsaid")
    return result.as_numpy("logits")[0], source


def run(url: str, model: str = "digits", count: int = 1000, token: str = "", ca: str = "") -> Summary:
    """Asks for `count` held-out images, spread evenly over the ten digits."""
    with np.load(HELD_OUT) as arrays:
        chosen = np.linspace(0, len(arrays["labels"]) - 1, count).astype(int)
        images, labels = arrays["images"][chosen], arrays["labels"][chosen]
    server, headers = connect(url, ca), {"Authorization": f"Bearer {token}"} if token else {}
    answers = []
    for image, label in zip(images, labels, strict=True):
        start = time.perf_counter()
        logits, source = ask(server, model, image, headers)
        answers.append(Answer(int(logits.argmax()) == int(label), time.perf_counter() - start, source))
    server.close()
    return summarise(answers)


def summarise(answers: list[Answer]) -> Summary:
    """Accuracy, median and 99th percentile, and how often each source answered."""
    p50, p99 = np.percentile([answer.seconds * 1000 for answer in answers], [50, 99])
    right = sum(answer.right for answer in answers) / len(answers)
    return Summary(right, float(p50), float(p99), dict(Counter(answer.source for answer in answers)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="HTTP address of the server, such as http://127.0.0.1:8000")
    parser.add_argument("--model", default="digits")
    parser.add_argument("--count", type=int, default=1000, help="held-out images to ask for, at most 1000")
    parser.add_argument("--token", default="", help="shown to a server that wants one")
    parser.add_argument("--ca", default="", help="file of the CA to trust, for https")
    sys.stdout.write(f"{run(**vars(parser.parse_args()))}\n")
