"""Decrypts a model file into anonymous memory, on all cores. Called for each load, in the thread that loads.

The keys are read for it and forgotten after it: a renewed Secret counts at the next load, and a device that serves
holds no key.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, BinaryIO, cast

from edgewise.api.names import Reason
from edgewise.api.units import binary
from edgewise.contract.keys import MOST, BadKeyError, find, read_keys
from edgewise.contract.sealed import ZSTD, ZSTD_WINDOW, BrokenSealError, Cipher, Header, Identity
from edgewise_runtime.engines import memory
from edgewise_runtime.engines.base import ModelLoadError
from edgewise_runtime.engines.cores import usable_cores
from edgewise_runtime.sealed.anonymous import AnonymousFile
from edgewise_runtime.sealed.chunks import Chunks

_THREADS = 4  # each has two chunks in memory
_PIECE = 2**20


def unsealed(path: Path, keys: Path, wanted: Identity) -> AnonymousFile:
    """The content of the encrypted file at `path`, complete. `keys`: a key of a mounted Secret.

    BadKeyError, BrokenSealError, ModelLoadError where there is no room; nothing of the content stays then."""
    with path.open("rb") as file:
        header = _header(file, wanted)
        _check_room(header.size)
        cipher = _cipher(header, keys)
        try:
            return _written(Chunks(file, header, cipher), header)
        finally:
            cipher.wipe()


def checked(path: Path, keys: Path, wanted: Identity) -> None:
    """The same errors, as far as the file's head and the key tell."""
    with path.open("rb") as file:
        _cipher(_header(file, wanted), keys).wipe()


def _header(file: BinaryIO, wanted: Identity) -> Header:
    header = Header.read(file)
    if header.identity != wanted:
        raise BrokenSealError(f"the file was encrypted as {header.identity}, and is to be {wanted}")
    return header


def _check_room(size: int) -> None:
    """Before the kernel ends the whole pod for it."""
    room = memory.room()
    if room and size > room:
        raise ModelLoadError(
            Reason.LOAD_FAILED,
            f"to decrypt it takes {binary(size)} of memory, this pod has {binary(room)}; raise the memory limit",
        )


def _cipher(header: Header, keys: Path) -> Cipher:
    where = f"Secret {keys.parent.name}, key {keys.name}"
    try:
        held = read_keys(_mounted(keys))
        try:
            return Cipher(header, find(held, header.key_id))
        finally:
            for key in held:
                key.wipe()
    except BadKeyError as error:
        raise BadKeyError(f"{where}: {error}") from None
    except OSError as error:
        problem = "it is not there" if isinstance(error, FileNotFoundError) else error.strerror
        raise BadKeyError(f"{where}: {problem}; the device finds it about a minute after it was made") from None


def _mounted(keys: Path) -> bytes:
    with keys.open("rb", buffering=0) as file:
        return file.read(MOST + 1)


def _written(chunks: Chunks, header: Header) -> AnonymousFile:
    file = AnonymousFile()
    try:
        size = _decompress(chunks, header, file) if header.compression == ZSTD else _copy(chunks, header, file)
        if size != header.size:
            raise BrokenSealError(f"the content is not the {header.size} bytes that the header says; encrypt it anew")
        file.complete()
    except BaseException:
        file.close()
        raise
    return file


def _copy(chunks: Chunks, header: Header, file: AnonymousFile) -> int:
    """Bytes of content."""
    threads = min(_THREADS, usable_cores())

    def every(first: int) -> int:
        size = 0
        for position in range(first, chunks.count, threads):
            with chunks.opened(position) as content:
                file.write(content, position * header.chunk)
                size += len(content)
        return size

    with ThreadPoolExecutor(threads, "decrypt") as pool:
        return sum(pool.map(every, range(threads)))


def _decompress(chunks: Chunks, header: Header, file: AnonymousFile) -> int:
    """Bytes of content; no more of them are made than one piece beyond what the header says."""
    import zstandard

    source, piece, size = _Source(chunks), bytearray(_PIECE), 0
    reader = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).stream_reader(cast("IO[bytes]", source))
    try:
        while size <= header.size and (count := reader.readinto(piece)):
            file.write(memoryview(piece)[:count], size)
            size += count
    except zstandard.ZstdError as error:
        raise BrokenSealError(f"the content cannot be decompressed: {error}") from None
    if size <= header.size:
        source.end()
    return size


class _Source:
    """Chunks in their order, as a file that can be read."""

    def __init__(self, chunks: Chunks) -> None:
        self._contents = self._each(chunks)

    def read(self, _: int) -> bytes:
        """The next chunk, whatever its size; empty at the end."""
        return next(self._contents, b"")

    def end(self) -> None:
        """The last chunk must have been met: it is what says that none is missing."""
        if any(self._contents):
            raise BrokenSealError("the file goes on behind its content; encrypt it anew")

    def _each(self, chunks: Chunks) -> Iterator[bytes]:
        for position in range(chunks.count):
            with chunks.opened(position) as content:
                yield bytes(content)
