"""Which files are packaged, under which variant's name, and which earlier file each may be made from again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SUFFIXES = (".onnx", ".tflite", ".zip")
"""Files of models, as the formats of an EdgeModel have them. Others go with a folder, but are none."""


class PackagingError(Exception):
    """Nothing can be packaged so; the message says what to change."""


@dataclass(frozen=True)
class File:
    """A file of a model, read once."""

    path: Path

    @cached_property
    def content(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise PackagingError(f"cannot read {self.path}: {error.strerror}") from error

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class Build:
    """One file of the new version."""

    variant: str
    file: File


def builds(given: Sequence[str]) -> list[Build]:
    """Of `FILE`, `VARIANT=FILE` and folders. PackagingError where that is not one file for each variant."""
    found = [build for text in given for build in _builds(text)]
    variants, names = [each.variant for each in found], [each.file.name for each in found]
    for what, told in (("variant", variants), ("name", names)):
        if twice := [each for each in told if told.count(each) > 1]:
            raise PackagingError(f"two files have the {what} {twice[0]}: say VARIANT=FILE, or rename one")
    if not found:
        raise PackagingError(f"no model in {', '.join(given)}: name files, or a folder with {', '.join(SUFFIXES)}")
    return found


def _builds(text: str) -> Iterable[Build]:
    variant, separator, path = text.partition("=")
    if separator and not Path(text).exists():
        return [Build(_label(variant), File(_existing(Path(path))))]
    return [Build(_label(file.path.stem), file) for file in files([Path(text)])]


def files(paths: Iterable[Path]) -> list[File]:
    """The files themselves, and those of models in folders."""
    found = []
    for path in map(_existing, paths):
        found += sorted(each for each in path.iterdir() if each.suffix in SUFFIXES) if path.is_dir() else [path]
    return [File(path) for path in found]


def _existing(path: Path) -> Path:
    if not path.exists():
        raise PackagingError(f"there is no file {path}")
    return path


def _label(name: str) -> str:
    """As names of variants are written: `digits-int8-1.1.0` becomes `digits-int8-1-1-0`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].strip("-")


def earlier(build: Build, previous: Sequence[File]) -> list[File]:
    """Those that a device may have in the place of this one: of its name where there are such, else of its kind."""
    same = [file for file in previous if file.name == build.file.name]
    kind = [file for file in previous if file.path.suffix == build.file.path.suffix]
    return [file for file in same or kind if file.sha256 != build.file.sha256]
