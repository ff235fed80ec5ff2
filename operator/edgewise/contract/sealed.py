"""The format of an encrypted model file. Written by `kubectl edgewise package --encrypt`, read by devices.

A header, then the content in chunks that are encrypted one by one, so that reading takes the memory of one chunk.

    bytes   numbers are big-endian
        8   "EWSEALED"
        1   version of this format: 1
        1   the content is 0: as it is, 1: compressed, as one zstd frame
        1   a chunk holds 2**n bytes: n, from 12 to 24
       16   id of the key (keys.py)
       32   salt: random
        8   bytes of the content, decompressed
    3 x 2   lengths of the next three
        n   UTF-8: the model's name, its version, and which of its files this is (the variant's name)
            then chunks, all full but the last: AES-256-GCM, each with its tag of 16 bytes behind it

A file has a key of its own, HKDF-SHA256(key, salt, "edgewise model file"). So nonces need no luck: a chunk's is its
position (11 bytes) and whether it is the last (1 byte). The header is the associated data of every chunk. What was
moved, dropped, cut off or appended, or comes from another file, version or model, does not open.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import BinaryIO

from edgewise.contract.keys import ID_SIZE, SIZE, Key

Bytes = bytes | bytearray | memoryview

MAGIC = b"EWSEALED"
VERSION = 1
TAG = 16
CHUNK_POWER = 18
"""256 KiB: large enough that a chunk's own cost is nothing, small enough for a processor's cache."""
LARGEST = 2**36
"""Bytes of a content: 2**32 blocks of AES, below which GCM's bounds under one key are far from mattering."""
PLAIN, ZSTD = 0, 1
ZSTD_WINDOW = 2**23
"""Bytes of earlier content that a zstd frame may refer to: what decompressing takes of memory."""
SALT_SIZE = 32
_FIXED = struct.Struct(f">8sBBB{ID_SIZE}s{SALT_SIZE}sQ3H")
_POWERS = range(12, 25)
_LONGEST_NAME = 255
_LABEL = b"edgewise model file"


class BrokenSealError(ValueError):
    """Not an encrypted model, not the one that was asked for, or not as it was written."""


@dataclass(frozen=True)
class Identity:
    """What a file is."""

    model: str
    """Name of the EdgeModel."""
    version: str
    file: str
    """Name of the variant."""

    def __str__(self) -> str:
        return f"{self.model} {self.version}, variant {self.file}"


@dataclass(frozen=True)
class Header:
    """What stands before the chunks, in the clear."""

    identity: Identity
    key_id: bytes
    salt: bytes
    size: int
    """Bytes of the content, decompressed."""
    compression: int = PLAIN
    chunk_power: int = CHUNK_POWER

    @property
    def chunk(self) -> int:
        """Bytes of content in a chunk."""
        return 1 << self.chunk_power

    def packed(self) -> bytes:
        """As it is written."""
        names = [name.encode() for name in astuple(self.identity)]
        numbers = (MAGIC, VERSION, self.compression, self.chunk_power, self.key_id, self.salt, self.size)
        return _FIXED.pack(*numbers, *map(len, names)) + b"".join(names)

    @classmethod
    def read(cls, file: BinaryIO) -> Header:
        """From the beginning of a file, which is left where the chunks begin. BrokenSealError."""
        fixed = file.read(_FIXED.size)
        if not fixed.startswith(MAGIC):
            raise BrokenSealError("the file is not encrypted: `kubectl edgewise package --encrypt` makes one that is")
        if len(fixed) < _FIXED.size:
            raise BrokenSealError("the file ends in its header")
        _, version, compression, power, key_id, salt, size, *lengths = _FIXED.unpack(fixed)
        if (version, compression) not in ((VERSION, PLAIN), (VERSION, ZSTD)):
            raise BrokenSealError(f"the file is of format {version}.{compression}, which only a newer runtime reads")
        if power not in _POWERS or size > LARGEST or max(lengths) > _LONGEST_NAME:
            raise BrokenSealError("the file's header makes no sense")
        return cls(Identity(*_names(file, lengths)), key_id, salt, size, compression, power)


def _names(file: BinaryIO, lengths: list[int]) -> Iterator[str]:
    for length in lengths:
        name = file.read(length)
        if len(name) < length:
            raise BrokenSealError("the file ends in its header")
        try:
            yield name.decode()
        except UnicodeDecodeError as error:
            raise BrokenSealError("the file's header makes no sense") from error


class Cipher:
    """Of the chunks of one file, in either direction. `wipe` when it is no longer needed."""

    def __init__(self, header: Header, key: Key) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        self._key = bytearray(SIZE)
        HKDF(SHA256(), SIZE, header.salt, _LABEL).derive_into(key.secret, self._key)
        self._gcm = AESGCM(self._key)
        self._header = header.packed()

    def seal(self, position: int, last: bool, content: Bytes) -> bytes:
        """A chunk with its tag."""
        return self._gcm.encrypt(_nonce(position, last), content, self._header)

    def unseal(self, position: int, last: bool, sealed: Bytes, into: bytearray) -> int:
        """Bytes of content, written to the beginning of `into`. BrokenSealError where this is not that chunk."""
        from cryptography.exceptions import InvalidTag

        if len(sealed) < TAG:
            raise BrokenSealError(f"the file ends in chunk {position}")
        room = memoryview(into)[: len(sealed) - TAG]
        try:
            return self._gcm.decrypt_into(_nonce(position, last), sealed, self._header, room)
        except InvalidTag:
            raise BrokenSealError(
                f"chunk {position} was changed or moved, or the file does not end with it; encrypt it anew"
            ) from None

    def wipe(self) -> None:
        """Overwrite the file's key; what OpenSSL has of it goes with this object."""
        self._key[:] = bytes(SIZE)


def _nonce(position: int, last: bool) -> bytes:
    return position.to_bytes(11, "big") + bytes([last])
