"""Keys that models are encrypted with: AES-256, several at a time, known by an id that is made from the key itself.

A key file is either 32 bytes as they are, or lines of base64, each a key of 32 bytes. The first one encrypts, all of
them decrypt: a key is changed by putting the new one in front, and taking the old one out when nothing needs it any
more. Read by devices, out of a mounted Secret, and by `kubectl edgewise package --encrypt`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

SIZE = 32
"""Bytes of a key."""
ID_SIZE = 16
MOST = 2**16
"""Bytes of a key file; more is something else."""
_ID_LABEL = b"edgewise model key id"
_HOW = "make one with: head -c 32 /dev/urandom | base64"


class BadKeyError(ValueError):
    """No key, or not the right one. The message says nothing of what was found but its length."""


@dataclass(frozen=True, eq=False)
class Key:
    """One key. `wipe` when it is no longer needed."""

    secret: bytearray = field(repr=False)

    @property
    def id(self) -> bytes:
        """ID_SIZE bytes that name the key and do not give it away."""
        return hmac.digest(self.secret, _ID_LABEL, hashlib.sha256)[:ID_SIZE]

    def wipe(self) -> None:
        """Overwrite it. Copies that Python and OpenSSL made meanwhile are theirs."""
        self.secret[:] = bytes(len(self.secret))


def read_keys(content: bytes) -> list[Key]:
    """The keys of a key file, in its order. BadKeyError where there is none, or one of the wrong size."""
    if len(content) == SIZE and not content.isascii():  # 32 random bytes are all ASCII once in four thousand million
        return [Key(bytearray(content))]
    if len(content) > MOST:
        raise BadKeyError(f"{len(content)} bytes are no keys; {_HOW}")
    lines = [line.strip() for line in content.splitlines()]
    keys = [_decoded(line, number) for number, line in enumerate(lines, 1) if line and not line.startswith(b"#")]
    if not keys:
        raise BadKeyError(f"it is empty; {_HOW}")
    return keys


def find(keys: Iterable[Key], wanted: bytes) -> Key:
    """The key with that id. BadKeyError where it is not among them."""
    for key in keys:
        if hmac.compare_digest(key.id, wanted):
            return key
    raise BadKeyError(f"the key that the model was encrypted with (id {wanted.hex()[:8]}) is not among them")


def _decoded(line: bytes, number: int) -> Key:
    try:
        secret = base64.b64decode(line, validate=True)
    except binascii.Error:
        raise BadKeyError(f"line {number} is not base64; {_HOW}") from None  # the cause would show the line
    if len(secret) != SIZE:
        raise BadKeyError(f"line {number} is a key of {len(secret)} bytes, AES-256 takes {SIZE}; {_HOW}")
    return Key(bytearray(secret))
