"""Whatever changes between two files, a device makes the new one of the old one, and fetches no more than it must."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise_runtime.deltas.container import SMALLEST
from tests.runtime.deltas.making import applied, made, weights

OVERHEAD = 90 + 5  # bytes: the header, and one frame's

TINY = st.binary(max_size=300)
EDITS = st.lists(
    st.tuples(st.sampled_from(["insert", "delete", "overwrite"]), st.floats(0, 1), st.binary(min_size=1, max_size=90)),
    max_size=6,
)


def edited(content: bytes, edits: list[tuple[str, float, bytes]]) -> bytes:
    for kind, share, piece in edits:
        at = int(share * len(content))
        after = at if kind == "insert" else at + len(piece)
        content = content[:at] + (b"" if kind == "delete" else piece) + content[after:]
    return content


def round_trip(old: bytes, new: bytes) -> int:
    """Bytes of the delta, which leads to the new file and is no larger than that."""
    change = made(old, new)
    with tempfile.TemporaryDirectory() as folder:
        assert applied(Path(folder), old, change, new) == new
    frames = -(-len(new) // 2**SMALLEST)
    assert len(change) <= len(new) + OVERHEAD + 5 * frames
    return len(change)


@settings(max_examples=40, deadline=None)
@given(TINY, TINY)
def test_any_file_is_made_of_any_other(old: bytes, new: bytes) -> None:
    round_trip(old, new)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 20_000), st.integers(0, 3), EDITS, st.integers(0, 2**32 - 1))
def test_weights_that_moved_a_little_and_things_put_between_them(
    count: int, phase: int, edits: list[tuple[str, float, bytes]], seed: int
) -> None:
    numbers = np.random.default_rng(seed)
    old = bytes(phase) + weights(count, seed).tobytes()
    noise = weights(count, seed) + numbers.normal(0, 1e-5, count).astype(np.float32)
    round_trip(old, edited(bytes(phase) + noise.astype(np.float32).tobytes(), edits))


@pytest.mark.parametrize("phase", [0, 1, 2, 3])
def test_numbers_are_found_wherever_they_begin(phase: int) -> None:
    old = weights(30_000)
    new = (old * np.float32(1.0001)).tobytes()
    assert round_trip(bytes(phase) + old.tobytes(), bytes(phase) + new) < 0.45 * len(new)


def test_half_precision_is_found_to_be_that() -> None:
    old = weights(60_000).astype(np.float16)
    new = (old + np.float16(1e-4)).astype(np.float16).tobytes()
    assert round_trip(old.tobytes(), new) < 0.45 * len(new)


def test_a_few_bytes_put_in_front_cost_a_few_bytes() -> None:
    named = b"".join(b"layer.%d.weight" % index + weights(3_000, index).tobytes() for index in range(20))
    moved = b"a longer name of the graph" + named
    assert round_trip(named, moved) < 400


def test_bytes_put_in_and_taken_out_between_weights_that_all_moved_are_found() -> None:
    parts = [(b"layer.%d.convolution.weight" % index, weights(5_000, index)) for index in range(12)]
    old = b"".join(name + numbers.tobytes() for name, numbers in parts)
    new = b"".join(name + bytes(index % 5) + (numbers * np.float32(1.0001)).tobytes()
                   for index, (name, numbers) in enumerate(parts))  # fmt: skip
    assert round_trip(old, new) < 0.48 * len(new)


def test_renamed_layers_are_found_although_all_their_weights_moved() -> None:
    layers = [(b"layer%d.weight" % index, weights(6_000, index)) for index in range(9)]
    renamed = [(b"backbone." + name, numbers * np.float32(1.0001)) for name, numbers in layers]
    old, new = (
        b"".join(name + b"\x12" for name, _ in each)
        + b"".join(name + b"J\xc0\xbb\x01" + w.tobytes() for name, w in each)
        for each in (layers, renamed)
    )
    assert round_trip(old, new) < 0.48 * len(new)


def test_a_bit_in_every_tenth_weight_costs_less_than_a_bit_a_weight() -> None:
    numbers = np.random.default_rng(3)
    old = numbers.normal(0, 30, 200_000).astype(np.int8)
    steps = numbers.choice(np.array([0, 1, -1], np.int8), 200_000, p=[0.9, 0.05, 0.05])
    size = round_trip(old.tobytes(), (old + steps).astype(np.int8).tobytes())
    assert size < 0.08 * len(old)  # 0.071 is what it is worth: H(0.1) + 0.1 bits of 8


def test_the_same_file_again_costs_next_to_nothing() -> None:
    content = weights(50_000).tobytes()
    assert round_trip(content, content) < 300


def test_without_an_earlier_file_weights_still_shrink() -> None:
    content = weights(100_000).tobytes()
    assert round_trip(b"", content) < 0.88 * len(content)


def test_what_cannot_shrink_stays_as_it_is() -> None:
    content = np.random.default_rng(5).bytes(200_000)
    assert round_trip(b"", content) <= len(content) + OVERHEAD + 20
