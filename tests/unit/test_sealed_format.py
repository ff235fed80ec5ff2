"""The format of encrypted models: as it is written down, byte by byte, so that files of today open in ten years."""

from __future__ import annotations

import hashlib
import hmac
import io
import struct
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from edgewise.contract.sealed import LARGEST, ZSTD, BrokenSealError, Cipher, Header, Identity
from tests.runtime.sealed.files import SECRET, WHO, header, key, sealed

NAMES = st.text(max_size=60).filter(lambda name: len(name.encode("utf-8", "replace")) <= 255)


def by_hand(content: bytes) -> bytes:
    """A file of one chunk, from the description and two standards alone."""
    key_id = hmac.digest(SECRET, b"edgewise model key id", "sha256")[:16]
    names = [b"digits", b"1.0.0", b"fp32"]
    head = b"EWSEALED" + bytes([1, 0, 12]) + key_id + b"s" * 32 + struct.pack(">Q", len(content))
    head += struct.pack(">HHH", *map(len, names)) + b"".join(names)
    extracted = hmac.digest(b"s" * 32, SECRET, "sha256")  # RFC 5869, one block
    own = hmac.digest(extracted, b"edgewise model file" + b"\x01", "sha256")
    return head + AESGCM(own).encrypt(bytes(11) + b"\x01", content, head)


def test_a_file_is_what_its_description_says() -> None:
    assert sealed(b"a model") == by_hand(b"a model")
    assert hashlib.sha256(sealed(b"a model")).hexdigest() == (
        "9ea945a6458fbcd1801c31c02adeeb06422739b0dd46e109cf2d47c2687213b2"
    ), "devices in the field read the format of before; a new one needs a new version number"


@given(NAMES, NAMES, NAMES, st.integers(0, LARGEST), st.integers(12, 24))
def test_a_header_is_read_as_it_was_written(model: str, version: str, file: str, size: int, power: int) -> None:
    written = Header(Identity(model, version, file), b"k" * 16, b"s" * 32, size, ZSTD, power)
    source = io.BytesIO(written.packed() + b"chunks")
    assert Header.read(source) == written
    assert source.read() == b"chunks"


def test_every_header_that_is_cut_off_is_refused() -> None:
    whole = header(b"").packed()
    for length in range(len(whole)):
        with pytest.raises(BrokenSealError):
            Header.read(io.BytesIO(whole[:length]))


NONSENSE = {
    "not encrypted at all": (b"\x08\x09:7onnx" + bytes(200), "not encrypted"),
    "a later format": (b"EWSEALED\x02" + bytes(200), "format 2.0, which only a newer runtime reads"),
    "another compression": (b"EWSEALED\x01\x07" + bytes(200), "format 1.7"),
    "chunks of 2 GiB": (b"EWSEALED\x01\x00\x1f" + bytes(200), "makes no sense"),
    "chunks of one byte": (b"EWSEALED\x01\x00\x00" + bytes(200), "makes no sense"),
    "a name of 65535 bytes": (replace(header(b""), identity=Identity("m" * 65535, "", "")).packed(), "makes no sense"),
    "a name that is no text": (header(b"").packed().replace(b"digits", b"\xff" * 6), "makes no sense"),
    "a content of 65 GiB": (replace(header(b""), size=LARGEST + 1).packed(), "makes no sense"),
}


@pytest.mark.parametrize(("content", "says"), NONSENSE.values(), ids=NONSENSE)
def test_a_header_that_makes_no_sense_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(BrokenSealError, match=says):
        Header.read(io.BytesIO(content))


@given(st.binary(max_size=300))
def test_whatever_a_file_begins_with_is_a_header_or_refused(content: bytes) -> None:
    for start in (b"", b"EWSEALED\x01\x00\x0c"):
        try:
            Header.read(io.BytesIO(start + content))
        except BrokenSealError:
            continue


def test_two_files_of_one_key_share_no_keystream() -> None:
    """The same content at the same place: only the salt differs."""
    first, second = (Cipher(header(b"x" * 99, salt=bytes([salt]) * 32), key()) for salt in (1, 2))
    assert first.seal(0, True, b"x" * 99) != second.seal(0, True, b"x" * 99)


def test_the_header_names_what_it_is_for_people() -> None:
    assert str(WHO) == "digits 1.0.0, variant fp32"
