"""Encrypted files of a test, in chunks small enough to have many, written without the command line's writer."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import zstandard

from edgewise.api.base import SecretKeyRef
from edgewise.api.edgemodel import Encryption
from edgewise.contract.keys import Key
from edgewise.contract.sealed import PLAIN, ZSTD, Cipher, Header, Identity

SECRET = bytes(range(100, 132))
OTHER_SECRET = bytes(range(200, 232))
WHO = Identity("digits", "1.0.0", "fp32")
POWER = 12
CHUNK = 1 << POWER
ENCRYPTION = Encryption(key_secret_ref=SecretKeyRef(name="model-key", key="aes"))


def key(secret: bytes = SECRET) -> Key:
    return Key(bytearray(secret))


def header(content: bytes, identity: Identity = WHO, secret: bytes = SECRET, salt: bytes = b"s" * 32) -> Header:
    return Header(identity, key(secret).id, salt, len(content), chunk_power=POWER)


def chunks(content: bytes, of: Header, secret: bytes = SECRET) -> list[bytes]:
    """Encrypted, each with its tag."""
    cipher = Cipher(of, key(secret))
    pieces = [content[at : at + of.chunk] for at in range(0, len(content), of.chunk)] or [b""]
    return [cipher.seal(position, position == len(pieces) - 1, piece) for position, piece in enumerate(pieces)]


def sealed(
    content: bytes, identity: Identity = WHO, secret: bytes = SECRET, power: int = POWER, compression: int = PLAIN
) -> bytes:
    """A whole file."""
    of = replace(header(content, identity, secret), chunk_power=power, compression=compression)
    stored = zstandard.compress(content) if compression == ZSTD else content
    return of.packed() + b"".join(chunks(stored, of, secret))


def mounted(secrets: Path, *held: bytes) -> Path:
    """Where the kubelet puts the key of ENCRYPTION: one (SECRET, by default) as it is, several as lines of base64."""
    held = held or (SECRET,)
    path = secrets / "model-key" / "aes"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(held[0] if len(held) == 1 else b"\n".join(map(base64.b64encode, held)))
    return path
