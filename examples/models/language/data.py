"""Short texts in twelve languages: what Django says to its users, by its translators (BSD-3-Clause). Used by train.py.

Every text of one message goes into the same part, so that no part holds translations of what another was trained on.
"""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LANGUAGES = ("cs", "da", "de", "es", "fi", "fr", "it", "nl", "pl", "pt", "sv", "tr")
"""Those of a label, in its order."""
WIDTH = 64
"""Bytes of UTF-8 that a model reads; a longer text is cut off, a shorter one is filled up with zeros."""
TRAIN, CALIBRATION = 0.55, 0.15
"""Shares of the messages to learn from and to calibrate with; the rest is held out."""
_SHORTEST = 20  # characters: less is often the same in several languages
_PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z]|\{[^}]*\}|<[^>]*>|&\w+;")

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Texts:
    """Texts [N, WIDTH] as bytes, and labels [N]: indices into LANGUAGES."""

    text: Bytes
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Which texts are for what."""

    train: Texts
    calibration: Texts
    held_out: Texts


def encoded(text: str) -> Bytes:
    """What a client sends of a text: lower case, one space before it, WIDTH bytes of UTF-8."""
    cut = f" {text.lower()}".encode()[:WIDTH]
    return np.frombuffer(cut.ljust(WIDTH, b"\0"), np.uint8)


def read(wheel: Path, seed: int) -> Split:
    """The texts in Django's wheel; `seed` deals the messages out."""
    with zipfile.ZipFile(wheel) as archive:
        told = [_translations(archive, language) for language in LANGUAGES]
    messages = sorted(set().union(*told))
    order = np.random.default_rng(seed).permutation(len(messages))
    ends = [round(TRAIN * len(order)), round((TRAIN + CALIBRATION) * len(order))]
    return Split(*(_texts([messages[index] for index in part], told) for part in np.split(order, ends)))


def _translations(archive: zipfile.ZipFile, language: str) -> dict[str, str]:
    """{message: text} of one language, without placeholders, markup, and what was left in English."""
    found: dict[str, str] = {}
    for name in sorted(archive.namelist()):
        if name.startswith("django/") and name.endswith(f"/locale/{language}/LC_MESSAGES/django.mo"):
            found |= {message: _plain(text) for message, text in _pairs(archive.read(name))}
    return {message: text for message, text in found.items() if len(text) >= _SHORTEST and text != _plain(message)}


def _plain(text: str) -> str:
    return " ".join(_PLACEHOLDER.sub(" ", text).split())


def _pairs(catalogue: bytes) -> Iterator[tuple[str, str]]:
    """Messages and translations of a little-endian .mo file (GNU gettext, "The Format of GNU MO Files"); of a plural
    the first form. The first entry is the file's own header."""
    count, messages, texts = struct.unpack("<3I", catalogue[8:20])
    for index in range(1, count):
        pair = []
        for table in (messages, texts):
            length, start = struct.unpack_from("<2I", catalogue, table + 8 * index)
            pair.append(catalogue[start : start + length].split(b"\0")[0].decode())
        yield pair[0], pair[1]


def _texts(messages: Sequence[str], told: Sequence[dict[str, str]]) -> Texts:
    chosen = [(label, texts[message]) for message in messages for label, texts in enumerate(told) if message in texts]
    labels = np.array([label for label, _ in chosen], np.int64)
    return Texts(np.array([encoded(text) for _, text in chosen]), labels)


def write_held_out(path: Path, texts: Texts) -> None:
    """Keeps the held-out texts where clients and tests find them: arrays `text` and `labels`, both bytes."""
    np.savez_compressed(path, text=texts.text, labels=texts.labels.astype(np.uint8))


def read_held_out(path: Path) -> Texts:
    """What write_held_out wrote."""
    with np.load(path) as arrays:
        return Texts(arrays["text"], arrays["labels"].astype(np.int64))
