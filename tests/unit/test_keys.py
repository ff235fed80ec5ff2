"""Key files: what is a key, what is none, and that neither is ever shown."""

from __future__ import annotations

import base64
import string
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.contract.keys import ID_SIZE, MOST, BadKeyError, Key, find, read_keys

ONE, TWO = bytes(range(150, 182)), bytes(range(32))
TEXT = base64.b64encode(ONE)

GOOD = {
    "32 bytes as they are": (ONE, [ONE]),
    "base64": (TEXT, [ONE]),
    "base64 with a line end, as `base64` writes it": (TEXT + b"\n", [ONE]),
    "base64 from Windows": (TEXT + b"\r\n", [ONE]),
    "two keys, the new one first": (TEXT + b"\n" + base64.b64encode(TWO), [ONE, TWO]),
    "remarks and empty lines": (b"# of 2026\n\n" + TEXT + b"\n\n# old\n", [ONE]),
}


@pytest.mark.parametrize(("content", "keys"), GOOD.values(), ids=GOOD)
def test_what_is_a_key_file(content: bytes, keys: list[bytes]) -> None:
    assert [bytes(key.secret) for key in read_keys(content)] == keys


BAD = {
    "nothing": (b"", "it is empty"),
    "only a remark": (b"# the key", "it is empty"),
    "a password of 32 letters": (string.ascii_letters[:32].encode(), "a key of 24 bytes"),
    "a key of AES-128": (base64.b64encode(ONE[:16]), "line 1 is a key of 16 bytes, AES-256 takes 32"),
    "a key in hexadecimal digits": (ONE.hex().encode(), "a key of 48 bytes"),
    "raw bytes with a line end": (ONE + b"\n", "line 1 is not base64"),
    "a second key that is none": (TEXT + b"\nhello!", "line 2 is not base64"),
    "a certificate": (b"-----BEGIN CERTIFICATE-----\n", "line 1 is not base64"),
    "a file that is no key file at all": (b"x" * (MOST + 1), "are no keys"),
}


@pytest.mark.parametrize(("content", "says"), BAD.values(), ids=BAD)
def test_what_is_no_key_file_and_what_to_do_then(content: bytes, says: str) -> None:
    with pytest.raises(BadKeyError, match=says) as refused:
        read_keys(content)
    assert "head -c 32 /dev/urandom | base64" in str(refused.value)


@given(st.binary(max_size=200))
def test_whatever_a_file_holds_it_is_keys_or_refused_without_being_shown(content: bytes) -> None:
    try:
        keys = read_keys(content)
    except BadKeyError as error:
        shown = "".join(traceback.format_exception(error))
        assert not any(line in shown for line in content.decode(errors="ignore").split() if len(line) > 20)
    else:
        assert keys
        assert all(len(key.secret) == 32 for key in keys)
        assert not any(str(bytes(key.secret))[2:-1] in repr(key) for key in keys)


def test_a_key_is_found_by_its_id_which_does_not_give_it_away() -> None:
    keys = [Key(bytearray(ONE)), Key(bytearray(TWO))]
    assert find(keys, keys[1].id) is keys[1]
    assert len(keys[0].id) == ID_SIZE
    assert keys[0].id != keys[1].id
    with pytest.raises(BadKeyError, match="id 00000000"):
        find(keys, bytes(ID_SIZE))


def test_a_wiped_key_is_zeros() -> None:
    (key,) = read_keys(TEXT)
    key.wipe()
    assert key.secret == bytes(32)
