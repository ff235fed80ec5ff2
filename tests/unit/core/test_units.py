from __future__ import annotations

import pytest

from edgewise.api.names import child_name, short_hash
from edgewise.api.units import binary, in_milliseconds, milliseconds, quantity, seconds


@pytest.mark.parametrize(
    ("text", "expected"), [("40Mi", 40 * 2**20), ("500m", 0.5), ("2", 2), ("1.5Gi", 1.5 * 2**30), ("1k", 1000), (7, 7)]
)
def test_a_quantity_is_a_number(text: str | int, expected: float) -> None:
    assert quantity(text) == expected


@pytest.mark.parametrize("text", ["", "Mi", "1e9", "-1", "1.", "1 Gi", "1gi", "1Mi\n"])
def test_what_is_no_quantity_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity such as 40Mi, 2Gi or 500m"):
        quantity(text)


@pytest.mark.parametrize(("text", "expected"), [("1h30m", 5400), ("150ms", 0.15), ("2d", 172800), ("0s", 0)])
def test_a_duration_is_seconds(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "5", "s", "1.5h", "5 m", "5min", "-5s"])
def test_what_is_no_duration_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as 150ms, 90s or 1h30m"):
        seconds(text)


@pytest.mark.parametrize(
    ("size", "expected"), [(0, "0"), (512, "512"), (2048, "2Ki"), (40 * 2**20, "40Mi"), (3 * 2**29, "1.5Gi")]
)
def test_bytes_are_told_in_the_unit_people_use(size: float, expected: str) -> None:
    assert binary(size) == expected


@pytest.mark.parametrize(
    ("time", "expected"),
    [(0.0024, "2.4ms"), (0.012345, "12.3ms"), (0.1, "100ms"), (1.2345, "1234ms"), (0.00001234, "0.0123ms"),
     (0.0000000001, "0ms")],
)  # fmt: skip
def test_a_measured_time_has_three_digits_and_no_exponent(time: float, expected: str) -> None:
    assert in_milliseconds(time) == expected
    assert milliseconds(expected) == pytest.approx(time, rel=0.005, abs=1e-9)


def test_a_hash_is_the_same_on_every_machine_and_in_every_year() -> None:
    """Names of children are made from it: another one would orphan them."""
    assert short_hash("edgewise") == "f251d13806"
    assert child_name("d" * 60, "plan") == f"{'d' * 52}-{short_hash('d' * 60 + '-plan')}"
