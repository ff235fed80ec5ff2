"""Sends recorded speech through silero-vad in pieces of 32 ms and says where somebody speaks.

    python examples/vad_client.py http://127.0.0.1:8000 examples/04-second-model/speech/five-five.wav
    five-five.wav: speech 0.32-0.77 s, 0.93-1.34 s

The model has a state, which the client carries from answer to request: any replica may answer any piece.
"""

from __future__ import annotations

import argparse
import sys
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[np.generic]]
Ask = Callable[[Tensors], Tensors]

RATE, PIECE, CONTEXT = 16_000, 512, 64
"""Samples a second, new samples a request, and samples repeated from the piece before (silero_vad/utils_vad.py)."""


@dataclass(frozen=True)
class Rule:
    """When speech begins and ends; the defaults of silero-vad's own get_speech_timestamps. Durations in seconds."""

    begins_at: float = 0.5
    ends_below: float = 0.35
    silence: float = 0.1
    shortest: float = 0.25


def read_wav(path: Path) -> NDArray[np.float32]:
    """Samples in -1..1 of a 16 kHz mono 16-bit file."""
    with wave.open(str(path)) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
            raise ValueError(f"{path} is not 16 kHz mono with 16 bits")
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / np.float32(32768)


def probabilities(samples: NDArray[np.float32], ask: Ask) -> Iterator[float]:
    """The probability of speech in each 32 ms, in order; `ask` runs the model once."""
    state: NDArray[np.generic] = np.zeros((2, 1, 128), np.float32)
    padded = np.concatenate([np.zeros(CONTEXT, np.float32), samples])
    for start in range(0, len(samples) - PIECE + 1, PIECE):
        piece = padded[None, start : start + CONTEXT + PIECE]
        answer = ask({"input": piece, "state": state, "sr": np.array(RATE, np.int64)})
        state = answer["stateN"]
        yield float(answer["output"].item())


def spoken(chances: Iterator[float], rule: Rule) -> list[tuple[float, float]]:
    """Begin and end of each stretch of speech in seconds: hysteresis, short silences bridged, short noises left out."""
    second = PIECE / RATE
    stretches: list[tuple[float, float]] = []
    begin = quiet_since = None
    now = 0.0
    for chance in chances:
        if chance >= rule.begins_at:
            begin, quiet_since = (now if begin is None else begin), None
        elif begin is not None and chance < rule.ends_below:
            quiet_since = now if quiet_since is None else quiet_since
            if now + second - quiet_since >= rule.silence:
                stretches.append((begin, quiet_since))
                begin = quiet_since = None
        now += second
    if begin is not None:
        stretches.append((begin, now if quiet_since is None else quiet_since))
    return [(start, end) for start, end in stretches if end - start >= rule.shortest]


def over_http(url: str, model: str) -> Ask:
    """Runs the model on a server of the Open Inference Protocol."""
    from tritonclient import http as client

    server = client.InferenceServerClient(url.split("://")[-1].rstrip("/"), network_timeout=10.0)
    datatypes = {"input": "FP32", "state": "FP32", "sr": "INT64"}

    def ask(tensors: Tensors) -> Tensors:
        inputs = []
        for name, array in tensors.items():
            tensor = client.InferInput(name, list(array.shape), datatypes[name])
            tensor.set_data_from_numpy(array)
            inputs.append(tensor)
        result = server.infer(model, inputs)
        return {name: result.as_numpy(name) for name in ("output", "stateN")}

    return ask


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="HTTP address of the server, such as http://127.0.0.1:8000")
    parser.add_argument("recording", nargs="+", type=Path, help="WAV file, 16 kHz mono")
    parser.add_argument("--model", default="silero-vad")
    arguments = parser.parse_args()
    for recording in arguments.recording:
        chances = probabilities(read_wav(recording), over_http(arguments.url, arguments.model))
        stretches = ", ".join(f"{begin:.2f}-{end:.2f} s" for begin, end in spoken(chances, Rule()))
        sys.stdout.write(f"{recording.name}: speech {stretches or 'nowhere'}\n")
