"""Runs inside a pod: asks a served model at a steady rate and prints one JSON line a second about what came back.

Each request is a connection of its own, as from a client that just came up, unless --keep-alive; anything but a 200
within the timeout is a failure. Uses only what the runtime image holds (aiohttp, numpy).

    traffic_client.py URL MODEL IMAGES.npz RATE [--count N] [--keep-alive] [--private]   # N, or until SIGTERM
"""

import argparse
import asyncio
import json
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np

TIMEOUT = aiohttp.ClientTimeout(total=5)


@dataclass
class Tally:
    """Answers since the last line. One object for the whole run: an answer that comes late counts in the next line."""

    sent: int = 0
    failed: int = 0
    correct: int = 0
    milliseconds: list[float] = field(default_factory=list)
    sources: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def drain(self) -> dict[str, Any]:
        """What was counted, and begins again."""
        line = {"at": time.time(), **vars(self)}
        vars(self).update(vars(Tally()))
        return line


def request(image: np.ndarray[Any, Any], private: bool) -> tuple[bytes, dict[str, str]]:
    """One image [28, 28] of uint8 as an Open Inference Protocol request with binary tensors; private: nothing of it may
    leave the device."""
    tensor = (image.astype(np.float32) / 255.0).reshape(1, 1, 28, 28).tobytes()
    size = {"binary_data_size": len(tensor)}
    head = {
        "inputs": [{"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "parameters": size}],
        "outputs": [{"name": "logits", "parameters": {"binary_data": False}}],
        **({"parameters": {"edgewise_privacy": "never"}} if private else {}),
    }
    text = json.dumps(head).encode()
    return text + tensor, {"Inference-Header-Content-Length": str(len(text))}


async def ask(
    session: aiohttp.ClientSession, url: str, question: tuple[bytes, dict[str, str]], label: int, tally: Tally
) -> None:
    body, headers = question
    began = time.perf_counter()
    tally.sent += 1
    try:
        async with session.post(url, data=body, headers=headers) as reply:
            answer = await reply.json()
            if reply.status != 200:
                raise RuntimeError(f"{reply.status} {answer.get('error')}")
    except Exception as error:  # noqa: BLE001  every way to fail is counted
        tally.failed += 1
        tally.errors[f"{type(error).__name__}: {error}"[:160]] += 1
        return
    tally.milliseconds.append(1000 * (time.perf_counter() - began))
    tally.sources[answer.get("parameters", {}).get("edgewise_source", "?")] += 1
    tally.versions[answer["model_version"]] += 1
    tally.correct += int(np.argmax(answer["outputs"][0]["data"])) == label


async def main(given: argparse.Namespace) -> None:
    data = np.load(given.images)
    questions = [request(image, given.private) for image in data["images"]]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    target, running = f"{given.url}/v2/models/{given.model}/infer", set()
    connector = aiohttp.TCPConnector(force_close=not given.keep_alive, limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=TIMEOUT) as session:
        tally, start, sent = Tally(), time.monotonic(), 0
        while not stop.is_set() and sent < given.count:
            index = sent % len(questions)
            task = asyncio.create_task(ask(session, target, questions[index], int(data["labels"][index]), tally))
            running.add(task)
            task.add_done_callback(running.discard)
            sent += 1
            if sent % max(1, round(given.rate)) == 0:
                print(json.dumps(tally.drain()), flush=True)
            await asyncio.sleep(max(0.0, start + sent / given.rate - time.monotonic()))
        await asyncio.gather(*running)
        print(json.dumps(tally.drain()), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("url", "model", "images"):
        parser.add_argument(name)
    parser.add_argument("rate", type=float)
    parser.add_argument("--count", type=float, default=float("inf"))
    parser.add_argument("--keep-alive", action="store_true")
    parser.add_argument("--private", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
