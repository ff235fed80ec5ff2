"""What a case of the tables is: an object that is accepted, or one that is refused, each with its sentence.

A refused object differs from an accepted one at one `path`; the refusal must say `says`: the path itself, unless a Rule
speaks, or the enclosing list or map does.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

from tests.cases.manifests import Manifest

ABSENT = object()


@dataclass(frozen=True)
class Accepted:
    sentence: str
    manifest: Manifest


@dataclass(frozen=True)
class Refused:
    sentence: str
    manifest: Manifest
    path: str
    value: Any
    says: str


def changed(manifest: Manifest, path: str, value: Any) -> Manifest:
    """A copy of `manifest` with `value` at `path`, such as `spec.variants[0].name`; ABSENT takes the member away."""
    manifest = copy.deepcopy(manifest)
    *parents, last = steps(path)
    inner: Any = manifest
    for step in parents:
        inner = inner[step] if isinstance(step, int) else inner.setdefault(step, {})
    if value is ABSENT:
        del inner[last]
    else:
        inner[last] = value
    return manifest


def steps(path: str) -> list[str | int]:
    """`spec.variants[0].limits[cpu]` -> ["spec", "variants", 0, "limits", "cpu"]."""
    found = re.findall(r"\[(\d+)\]|\[([^\]]+)\]|([^.\[\]]+)", path)
    return [int(index) if index else key or name for index, key, name in found]


def accepted(sentence: str, base: Manifest, path: str = "", value: Any = None) -> Accepted:
    return Accepted(sentence, changed(base, path, value) if path else base)


def refused(sentence: str, base: Manifest, path: str, value: Any, says: str = "") -> Refused:
    return Refused(sentence, changed(base, path, value), path, value, says or path)


def many(count: int, **member: Any) -> list[Manifest]:
    """Members of a list, each with a name of its own."""
    return [{"name": f"n{index}", **member} for index in range(count)]
