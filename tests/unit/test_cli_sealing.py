"""What `kubectl edgewise package --encrypt` writes: what devices open, and nothing that anybody else can."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.cli.packaging import sealing
from edgewise.contract.keys import BadKeyError
from edgewise.contract.sealed import CHUNK_POWER, PLAIN, ZSTD, Header, Identity
from edgewise_runtime.sealed.unsealing import unsealed
from tests.runtime.sealed.files import WHO, mounted

SECRET = bytes(range(7, 39))
NOISE = b"".join(hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(80_000))  # 2.5 MB
DULL = b"weights " * 320_000


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "model.key"
    path.write_bytes(base64.b64encode(SECRET) + b"\n")
    return path


def sealed_of(content: bytes, key_file: Path, identity: Identity = WHO) -> Path:
    path = key_file.parent / "digits.onnx"
    path.write_bytes(content)
    return sealing.seal(path, key_file, identity, key_file.parent)


def opened(sealed: Path, key_file: Path) -> bytes:
    file = unsealed(sealed, key_file, WHO)
    content = file.path.read_bytes()
    file.close()
    return content


CONTENTS = {
    "noise of several chunks": NOISE,
    "what compresses": DULL,
    "chunks that are just full": NOISE[: 2 << CHUNK_POWER],
    "one byte": b"x",
    "nothing": b"",
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_a_device_opens_what_was_encrypted(content: bytes, key_file: Path) -> None:
    sealed = sealed_of(content, key_file)
    assert opened(sealed, key_file) == content
    assert sealed.name == "digits.onnx.sealed"
    assert (key_file.parent / "digits.onnx").read_bytes() == content
    assert {path.name for path in key_file.parent.iterdir()} == {"model.key", "digits.onnx", "digits.onnx.sealed"}


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=3000), st.binary(min_size=32, max_size=32).filter(lambda key: not key.isascii()))
def test_whatever_is_encrypted_with_whatever_key_comes_out_again(content: bytes, secret: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        key_file = mounted(Path(folder), secret)
        assert opened(sealed_of(content, key_file), key_file) == content


@pytest.mark.parametrize(("content", "compression"), [(DULL, ZSTD), (NOISE, PLAIN)], ids=["dull", "noise"])
def test_what_compresses_is_compressed_before_it_is_encrypted(content: bytes, compression: int, key_file: Path) -> None:
    sealed = sealed_of(content, key_file)
    with sealed.open("rb") as file:
        assert Header.read(file).compression == compression
    assert (sealed.stat().st_size < len(content) // 100) == (compression == ZSTD)


def test_nothing_of_the_content_is_in_it_and_no_two_of_them_are_alike(key_file: Path) -> None:
    first = sealed_of(NOISE, key_file).read_bytes()
    second = sealed_of(NOISE, key_file).read_bytes()
    assert not any(NOISE[at : at + 8] in first for at in range(0, len(NOISE), 2**16))
    assert not any(first[at : at + 8] in second for at in range(200, len(first), 2**16))


def test_the_first_key_of_the_file_encrypts(key_file: Path) -> None:
    old = key_file.read_bytes()
    key_file.write_bytes(base64.b64encode(SECRET[::-1]) + b"\n" + old)
    sealed = sealed_of(b"model", key_file)
    key_file.write_bytes(old)
    with pytest.raises(BadKeyError, match="is not among them"):
        opened(sealed, key_file)


def test_a_key_file_that_has_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadKeyError, match=r"nokey: No such file"):
        sealing.keys(tmp_path / "nokey")
    (tmp_path / "nokey").write_text("secret")
    with pytest.raises(BadKeyError, match=r"nokey: line 1 is not base64|nokey: line 1 is a key of"):
        sealing.keys(tmp_path / "nokey")


def test_an_encryption_that_fails_leaves_no_half_file(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edgewise.contract.sealed.Cipher.seal", full)
    with pytest.raises(OSError, match="No space left"):
        sealed_of(NOISE, key_file)
    assert {path.name for path in key_file.parent.iterdir()} == {"model.key", "digits.onnx"}
