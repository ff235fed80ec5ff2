"""Encrypted files into memory: what was written comes out, or nothing does and the reason is told."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.contract.keys import BadKeyError
from edgewise.contract.sealed import PLAIN, TAG, ZSTD, BrokenSealError, Identity
from edgewise_runtime.sealed.unsealing import unsealed
from tests.runtime.sealed.files import CHUNK, OTHER_SECRET, SECRET, WHO, chunks, header, mounted, sealed

CONTENT = bytes(range(256)) * 200  # 12.5 chunks


def opened(folder: Path, stored: bytes, wanted: Identity = WHO, *held: bytes) -> bytes:
    """The content, as a device would get it with these keys."""
    path = folder / "blob"
    path.write_bytes(stored)
    file = unsealed(path, mounted(folder, *(held or (SECRET,))), wanted)
    try:
        return file.path.read_bytes()
    finally:
        file.close()


SIZES = st.integers(0, 3).flatmap(lambda full: st.sampled_from([0, 1, CHUNK - 1]).map(lambda more: full * CHUNK + more))


@settings(max_examples=40, deadline=None)
@given(SIZES, st.sampled_from([PLAIN, ZSTD]), st.sampled_from([12, 13, 20]), st.booleans())
def test_what_was_written_comes_out(size: int, compression: int, power: int, dull: bool) -> None:
    content = (b"dull " if dull else CONTENT) * (size // 5 + 1)
    with tempfile.TemporaryDirectory() as folder:
        stored = sealed(content[:size], power=power, compression=compression)
        assert opened(Path(folder), stored) == content[:size]


@pytest.mark.parametrize("compression", [PLAIN, ZSTD])
def test_a_file_cut_off_anywhere_is_refused(compression: int, tmp_path: Path) -> None:
    stored = sealed(CONTENT, compression=compression, power=12)
    start = len(header(CONTENT).packed())
    ends = {round(len(stored) * percent / 100) for percent in range(100)}
    ends |= {start + full * (CHUNK + TAG) + more for full in range(13) for more in (-1, 0, 1, TAG)}
    for end in sorted(end for end in ends if end < len(stored)):
        with pytest.raises(BrokenSealError):
            opened(tmp_path, stored[:end])


def test_no_bit_may_differ(tmp_path: Path) -> None:
    stored = bytearray(sealed(CONTENT[: CHUNK + 9]))
    for place in (*range(120), *range(120, len(stored), 97), len(stored) - 1):
        stored[place] ^= 1 << place % 8
        with pytest.raises((BrokenSealError, BadKeyError)):
            opened(tmp_path, bytes(stored))
        stored[place] ^= 1 << place % 8
    assert opened(tmp_path, bytes(stored)) == CONTENT[: CHUNK + 9]


def swapped(pieces: list[bytes]) -> list[bytes]:
    return [pieces[1], pieces[0], *pieces[2:]]


def from_another_file(pieces: list[bytes]) -> list[bytes]:
    return [*chunks(CONTENT, header(CONTENT, salt=b"t" * 32))[:1], *pieces[1:]]


def from_another_version(pieces: list[bytes]) -> list[bytes]:
    return [*chunks(CONTENT, header(CONTENT, replace(WHO, version="0.9.0")))[:1], *pieces[1:]]


def written_twice(pieces: list[bytes]) -> list[bytes]:
    return pieces * 2


REARRANGED: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "two chunks swapped": swapped,
    "the first left out": lambda pieces: pieces[1:],
    "one in the middle left out": lambda pieces: pieces[:3] + pieces[4:],
    "the last left out": lambda pieces: pieces[:-1],
    "all left out": lambda _: [],
    "one of them twice": lambda pieces: [pieces[0], *pieces],
    "the whole of it twice": written_twice,
    "the last one as the first": lambda pieces: [pieces[-1]],
    "a chunk of another file": from_another_file,
    "a chunk of another version": from_another_version,
    "bytes behind the end": lambda pieces: [*pieces, b"x"],
    "a chunk of zeros behind the end": lambda pieces: [*pieces, bytes(CHUNK + TAG)],
}


@pytest.mark.parametrize("rearrange", REARRANGED.values(), ids=REARRANGED)
def test_chunks_stay_where_they_belong(rearrange: Callable[[list[bytes]], list[bytes]], tmp_path: Path) -> None:
    head = header(CONTENT)
    with pytest.raises(BrokenSealError):
        opened(tmp_path, head.packed() + b"".join(rearrange(chunks(CONTENT, head))))


OTHERS = {
    "another model": replace(WHO, model="letters"),
    "another version": replace(WHO, version="1.0.1"),
    "another variant": replace(WHO, file="int8"),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_file_is_good_for_what_it_was_encrypted_as_and_for_nothing_else(other: Identity, tmp_path: Path) -> None:
    with pytest.raises(BrokenSealError, match=f"encrypted as {other}, and is to be {WHO}"):
        opened(tmp_path, sealed(CONTENT, other))
    relabelled = sealed(CONTENT, other)
    relabelled = header(CONTENT).packed() + relabelled[len(header(CONTENT, other).packed()) :]
    with pytest.raises(BrokenSealError, match="chunk 0 was changed or moved"):
        opened(tmp_path, relabelled)


def test_a_content_of_another_length_than_the_header_says_is_refused(tmp_path: Path) -> None:
    for wrong in (0, len(CONTENT) - 1, len(CONTENT) + 1):
        head = replace(header(CONTENT), size=wrong)
        with pytest.raises(BrokenSealError, match=f"not the {wrong} bytes"):
            opened(tmp_path, head.packed() + b"".join(chunks(CONTENT, head)))


def test_a_bomb_takes_no_more_memory_than_the_header_admits(tmp_path: Path) -> None:
    import zstandard

    bomb = zstandard.compress(bytes(2**30))
    head = replace(header(bytes(2**21)), compression=ZSTD)
    with pytest.raises(BrokenSealError, match="not the 2097152 bytes"):
        opened(tmp_path, head.packed() + b"".join(chunks(bomb, head)))


def test_what_cannot_be_decompressed_is_refused(tmp_path: Path) -> None:
    head = replace(header(CONTENT), compression=ZSTD)
    with pytest.raises(BrokenSealError, match="cannot be decompressed"):
        opened(tmp_path, head.packed() + b"".join(chunks(CONTENT, head)))


def test_a_changed_key_is_one_more_line_in_the_secret(tmp_path: Path) -> None:
    stored = sealed(CONTENT)
    for held in ((SECRET, OTHER_SECRET), (OTHER_SECRET, SECRET)):
        assert opened(tmp_path, stored, WHO, *held) == CONTENT


def test_without_the_right_key_it_is_said_which_secret_lacks_it(tmp_path: Path) -> None:
    with pytest.raises(BadKeyError, match=r"^Secret model-key, key aes: the key that .* \(id [0-9a-f]{8}\) is not"):
        opened(tmp_path, sealed(CONTENT), WHO, OTHER_SECRET)
    with pytest.raises(BadKeyError, match="Secret model-key, key aes: line 1 is not base64"):
        opened(tmp_path, sealed(CONTENT), WHO, b"my secret, mine alone")


def test_a_key_that_is_not_mounted_may_come_yet(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(sealed(CONTENT))
    with pytest.raises(BadKeyError, match="Secret model-key, key aes: it is not there; the device finds it about a"):
        unsealed(path, tmp_path / "model-key" / "aes", WHO)
    (tmp_path / "model-key" / "aes").mkdir(parents=True)
    with pytest.raises(BadKeyError, match="Is a directory"):
        unsealed(path, tmp_path / "model-key" / "aes", WHO)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=3 * (CHUNK + TAG)))
def test_no_bytes_behind_a_header_open_but_those_that_were_written(noise: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.raises(BrokenSealError):
        opened(Path(folder), header(CONTENT).packed() + noise)
