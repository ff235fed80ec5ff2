"""What a signature says of one file's bytes, and whether a file has them. Used by judging.py and agent/trusting.py."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from edgewise_runtime.trust.oms import NotSignedError, Resource, Statement

ALGORITHMS = frozenset({"sha256", "blake2b"})  # what every Python has, under the names of the format
_READ = 2**20
_SHARD = re.compile(r"(?P<name>.+):(?P<start>[0-9]{1,18}):(?P<end>[0-9]{1,18})", re.DOTALL)


@dataclass(frozen=True)
class Stretch:
    """Bytes from `start` to `end`; to the end of the file where `end` is None."""

    start: int
    end: int | None
    digest: str


@dataclass(frozen=True)
class Content:
    """The stretches of a file, one after the other from its first byte to its last."""

    algorithm: str
    stretches: tuple[Stretch, ...]

    @property
    def sha256(self) -> str:
        """Of the whole file; empty where only reading it can tell whether it is the signed one."""
        whole = self.stretches[0].end is None
        return self.stretches[0].digest if whole and self.algorithm == "sha256" else ""

    def matches(self, file: BinaryIO) -> bool:
        """Whether `file`, at its beginning, has these bytes and no others. Blocks."""
        return all(self._digest(file, stretch) == stretch.digest for stretch in self.stretches) and not file.read(1)

    def _digest(self, file: BinaryIO, stretch: Stretch) -> str:
        digest = hashlib.new(self.algorithm)
        left = None if stretch.end is None else stretch.end - stretch.start
        while chunk := file.read(_READ if left is None else min(left, _READ)):
            digest.update(chunk)
            left = None if left is None else left - len(chunk)
        return digest.hexdigest() if not left else ""


def content_of(statement: Statement, name: str) -> Content | None:
    """What is signed of the file `name`; None: nothing. NotSignedError where devices cannot check it."""
    serialization = statement.predicate.serialization
    if serialization.hash_type not in ALGORITHMS:
        known = " and ".join(sorted(ALGORITHMS, reverse=True))
        raise NotSignedError(f"its digests are {serialization.hash_type}, devices check {known}; sign with sha256")
    if serialization.method == "files":
        whole = [Stretch(0, None, one.digest) for one in statement.predicate.resources if one.name == name]
        return Content(serialization.hash_type, tuple(whole)) if whole else None
    shards = sorted(_shards(statement.predicate.resources, name), key=lambda shard: shard.start)
    if not shards:
        return None
    _refuse_gaps(shards, name)
    return Content(serialization.hash_type, tuple(shards))


def _shards(resources: list[Resource], name: str) -> Iterator[Stretch]:
    for resource in resources:
        match = _SHARD.fullmatch(resource.name)
        if match is not None and match["name"] == name:
            yield Stretch(int(match["start"]), int(match["end"]), resource.digest)


def _refuse_gaps(shards: list[Stretch], name: str) -> None:
    at = 0
    for shard in shards:
        if shard.start != at or shard.end is None or shard.end <= at:
            raise NotSignedError(f"the signed stretches of {name} do not cover it from beginning to end")
        at = shard.end
