"""Other ways to say how one file became another: what edgewise's deltas are measured against, and may not lose to.

They take minutes, and what they make of two files changes with neither edgewise nor the machine: so it is remembered.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import bsdiff4
import numpy as np
import zstandard

from tests.bench.figures import FOLDER

Way = Callable[[bytes, bytes], int]
"""Bytes that it takes from the old file to the new one."""
_TOOLS = ("bsdiff4", "zstandard")


def zstd_patch(old: bytes, new: bytes) -> int:
    """`zstd -19 --long --patch-from`: the old file is the dictionary."""
    window = (len(old) + len(new)).bit_length()
    parameters = zstandard.ZstdCompressionParameters.from_level(19, window_log=max(window, 20), enable_ldm=True)
    known = zstandard.ZstdCompressionDict(old, zstandard.DICT_TYPE_RAWCONTENT)
    return len(zstandard.ZstdCompressor(compression_params=parameters, dict_data=known).compress(new))


def xor_planes(old: bytes, new: bytes) -> int:
    """XOR at equal places, bytes of numbers of 4, 2 or 1 bytes sorted into planes, zstd -19."""
    common = min(len(old), len(new)) & ~3
    changed = np.frombuffer(old[:common], np.uint8) ^ np.frombuffer(new[:common], np.uint8)
    ways = (np.ascontiguousarray(changed.reshape(-1, width).T).tobytes() for width in (4, 2, 1))
    return min(len(zstandard.ZstdCompressor(19).compress(planes + new[common:])) for planes in ways)


def bsdiff(old: bytes, new: bytes) -> int:
    return len(bsdiff4.diff(old, new))


WAYS: Mapping[str, Way] = {"zstd patch": zstd_patch, "bsdiff4": bsdiff, "XOR planes": xor_planes}


class Remembered:
    """Sizes from earlier runs, by the files' content and the versions of the tools."""

    def __init__(self, file: Path = FOLDER / "rivals" / "sizes.json") -> None:  # what lies in FOLDER itself is a bench
        self._file = file
        self._sizes: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}

    def get(self, way: str, old: Path, new: Path) -> int | None:
        return self._sizes.get(_key(way, old, new))

    def put(self, way: str, old: Path, new: Path, size: int) -> None:
        self._sizes[_key(way, old, new)] = size
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(self._sizes, indent=1) + "\n")


def _key(way: str, old: Path, new: Path) -> str:
    contents = (hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in (old, new))
    tools = (f"{tool} {version(tool)}" for tool in _TOOLS)
    return ", ".join((way, *contents, *tools))
