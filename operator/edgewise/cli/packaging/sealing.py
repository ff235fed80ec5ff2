"""Encrypts a model file for devices that have the key. Called by `kubectl edgewise package --encrypt`.

The format is contract/sealed.py. Compression comes before encryption or not at all: ciphertext does not shrink. It is
worth the time that each start of a device takes for it from a saving of a tenth on.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

from edgewise.contract.keys import MOST, BadKeyError, Key, read_keys
from edgewise.contract.sealed import LARGEST, PLAIN, SALT_SIZE, ZSTD, ZSTD_WINDOW, Cipher, Header, Identity

SUFFIX = ".sealed"
_WORTH = 0.9
_LEVEL = 12


def seal(path: Path, key_file: Path, identity: Identity, folder: Path) -> Path:
    """The encrypted copy of `path`, in `folder` under its name and SUFFIX. Its sha256 and size are what goes into the
    EdgeModel's source, and it is what gets signed.

    BadKeyError where key_file has no key; ValueError where the file is too large for the format."""
    size = path.stat().st_size
    if size > LARGEST:
        raise ValueError(f"{path}: an encrypted model has {LARGEST >> 30} GiB at most")
    first, *others = keys(key_file)
    sealed = folder / (path.name + SUFFIX)
    try:
        with path.open("rb") as plain, tempfile.TemporaryFile() as compressed:
            small = _compress(plain, compressed, size) < _WORTH * size
            header = Header(identity, first.id, os.urandom(SALT_SIZE), size, ZSTD if small else PLAIN)
            content = compressed if small else plain
            content.seek(0)
            _write(content, sealed, Cipher(header, first), header)
    finally:
        for key in (first, *others):
            key.wipe()
    return sealed


def keys(key_file: Path) -> list[Key]:
    """Of a key file; the first encrypts. BadKeyError names the file."""
    try:
        with key_file.open("rb") as file:
            return read_keys(file.read(MOST + 1))
    except OSError as error:
        raise BadKeyError(f"{key_file}: {error.strerror}") from error
    except BadKeyError as error:
        raise BadKeyError(f"{key_file}: {error}") from None


def _compress(content: BinaryIO, into: BinaryIO, size: int) -> int:
    """Bytes of the zstd frame that it becomes."""
    parameters = zstandard.ZstdCompressionParameters.from_level(_LEVEL, window_log=ZSTD_WINDOW.bit_length() - 1)
    _, written = zstandard.ZstdCompressor(compression_params=parameters).copy_stream(content, into, size=size)
    return int(written)


def _write(content: BinaryIO, sealed: Path, cipher: Cipher, header: Header) -> None:
    try:
        with sealed.open("wb") as target:
            target.write(header.packed())
            for position, (chunk, last) in enumerate(_chunks(content, header.chunk)):
                target.write(cipher.seal(position, last, chunk))
    except BaseException:
        sealed.unlink(missing_ok=True)
        raise
    finally:
        cipher.wipe()


def _chunks(content: BinaryIO, size: int) -> Iterator[tuple[bytes, bool]]:
    """(chunk, whether it is the last); one at least, be it empty."""
    chunk = content.read(size)
    while following := content.read(size):
        yield chunk, False
        chunk = following
    yield chunk, True
