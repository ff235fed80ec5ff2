"""The chunks of an encrypted file, decrypted one by one, in any order, by any thread. Used by unsealing.py."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from edgewise.contract.sealed import TAG, BrokenSealError, Cipher, Header
from edgewise_runtime.engines.pool import Pool

_AT_ONCE = 64  # more than anybody has threads


class Chunks:
    """Good while the file is open."""

    def __init__(self, file: BinaryIO, header: Header, cipher: Cipher) -> None:
        """`file` stands where the chunks begin."""
        self._file = file.fileno()
        self._cipher = cipher
        self._begin, self._end = file.tell(), os.fstat(file.fileno()).st_size
        self._step = header.chunk + TAG
        self._buffers = Pool(lambda: (bytearray(self._step), bytearray(header.chunk)), _AT_ONCE)
        self.count = max(1, -(-(self._end - self._begin) // self._step))
        """One at least: an empty content has an empty chunk."""

    @contextmanager
    def opened(self, position: int) -> Iterator[memoryview]:
        """What the chunk at `position`, from 0, holds; good in the block. BrokenSealError where it is another one."""
        start = self._begin + position * self._step
        with self._buffers.lent() as (sealed, content):
            taken = memoryview(sealed)[: min(self._step, self._end - start)]
            if os.preadv(self._file, [taken], start) < len(taken):
                raise BrokenSealError("the file became shorter while it was read")
            size = self._cipher.unseal(position, position == self.count - 1, taken, content)
            yield memoryview(content)[:size]
