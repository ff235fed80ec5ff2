"""Deltas that are broken, foreign or made to harm: refused with a reason, and nothing a device has is spent on them."""

from __future__ import annotations

import struct
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise_runtime.deltas.container import DeltaError, Header, Kind, pack_frame
from edgewise_runtime.deltas.frames import STRETCH
from edgewise_runtime.deltas.runs import Run, packed
from edgewise_runtime.deltas.streams import STORED, ZSTD, number
from tests.runtime.deltas.making import applied, made, sha256, weights

OLD = b"name" + weights(900).tobytes()
NEW = b"name" + (weights(900) * 1.001).tobytes() + b"tail"
DELTA = made(OLD, NEW)
HEADER = Header.read(BytesIO(DELTA))


def reason(folder: Path, change: bytes, old: bytes = OLD, most: int = 2**20) -> str:
    with pytest.raises(DeltaError) as caught:
        applied(folder, old, change, NEW, most)
    return caught.value.reason


def framed(*frames: tuple[Kind, bytes]) -> bytes:
    """A delta with a right header, and these frames."""
    return HEADER.pack() + b"".join(pack_frame(kind, body) for kind, body in frames)


def with_plan(plan: bytes) -> bytes:
    return framed((Kind.PLANES, number(len(plan)) + bytes([STORED]) + plan))


def test_one_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    for length in range(len(DELTA)):
        assert reason(tmp_path, DELTA[:length]) in ("unknown", "corrupt")


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, len(DELTA) - 1), value=st.integers(0, 255))
def test_one_with_a_wrong_byte_makes_the_right_file_or_none(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    broken = DELTA[:place] + bytes([value]) + DELTA[place + 1 :]
    try:
        content = applied(tmp_path_factory.getbasetemp(), OLD, broken, NEW)
    except DeltaError:
        return
    assert content == NEW


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=200), kind=st.sampled_from(Kind))
def test_any_bytes_for_a_frame_are_refused(tmp_path_factory: pytest.TempPathFactory, body: bytes, kind: Kind) -> None:
    assert reason(tmp_path_factory.getbasetemp(), framed((kind, body))) in ("unknown", "corrupt", "mismatch")


def test_one_from_another_file_is_refused(tmp_path: Path) -> None:
    assert reason(tmp_path, DELTA, old=OLD[:-1] + b"x") == "base"


def test_one_from_another_file_that_says_it_were_this_one_makes_nothing_that_is_wanted(tmp_path: Path) -> None:
    foreign = made(OLD[:-1] + b"\0", NEW)
    assert reason(tmp_path, HEADER.pack() + foreign[len(HEADER.pack()) :]) == "mismatch"


def test_one_to_another_file_is_refused_before_any_of_it_is_made(tmp_path: Path) -> None:
    assert reason(tmp_path, replace(HEADER, sha256=sha256(b"other")).pack()) == "mismatch"


def test_one_that_makes_something_else_than_it_says_is_refused(tmp_path: Path) -> None:
    assert reason(tmp_path, framed((Kind.STORED, bytes(len(NEW))))) == "mismatch"


def test_one_that_makes_more_than_is_allowed_is_refused_before_any_of_it_is_made(tmp_path: Path) -> None:
    assert reason(tmp_path, replace(HEADER, size=2**50).pack()) == "size"
    assert reason(tmp_path, DELTA, most=len(NEW) - 1) == "size"


def test_what_is_no_delta_and_what_a_later_version_made_is_unknown(tmp_path: Path) -> None:
    assert reason(tmp_path, b"not a delta") == "unknown"
    assert reason(tmp_path, DELTA[:8] + b"\x02" + DELTA[9:]) == "unknown"
    assert reason(tmp_path, replace(HEADER, frame_log=40).pack()) == "unknown"
    assert reason(tmp_path, HEADER.pack() + struct.pack("<BI", 9, 0)) == "unknown"


def test_more_behind_the_end_is_refused(tmp_path: Path) -> None:
    assert reason(tmp_path, DELTA + b"\0") == "corrupt"


def test_a_frame_cannot_claim_more_than_it_makes(tmp_path: Path) -> None:
    assert reason(tmp_path, HEADER.pack() + struct.pack("<BI", Kind.PLAIN, 2**32 - 1)) == "corrupt"


def test_a_bomb_is_not_decompressed(tmp_path: Path) -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(2**27))
    assert len(bomb) < len(NEW) * 4
    assert reason(tmp_path, framed((Kind.PLAIN, bomb[: len(NEW)]))) == "corrupt"
    stream = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(2**20))
    assert reason(tmp_path, framed((Kind.PLAIN, stream))) == "corrupt"


def test_a_plan_cannot_claim_to_be_huge(tmp_path: Path) -> None:
    assert reason(tmp_path, framed((Kind.PLANES, number(2**60)))) == "corrupt"
    assert reason(tmp_path, framed((Kind.PLANES, number(10) + bytes([ZSTD]) + number(2**60)))) == "corrupt"


def test_a_plan_cannot_leave_the_base_or_the_file(tmp_path: Path) -> None:
    for run in (
        Run(0, len(NEW), 1, len(OLD)),
        Run(0, len(NEW), 1, -1),
        Run(0, len(NEW) + 1, 1, None),
        Run(0, len(NEW) - 1, 1, None),
        Run(0, 3, 2, None),
    ):
        assert reason(tmp_path, with_plan(packed([run]))) == "corrupt"


def test_a_plan_of_endless_runs_is_refused(tmp_path: Path) -> None:
    assert reason(tmp_path, with_plan(number(2**20) + bytes(10))) == "corrupt"


def test_a_dictionary_is_bounded_and_inside_the_base(tmp_path: Path) -> None:
    assert reason(tmp_path, framed((Kind.PATCH, STRETCH.pack(0, 2**31)))) == "corrupt"
    assert reason(tmp_path, framed((Kind.PATCH, STRETCH.pack(2**64 - 1, 10)))) == "corrupt"
