"""Quantities and durations as users write them, turned into numbers.

Pure; the patterns in base.py keep bad text out.
"""

from __future__ import annotations

import re

_SCALE = {
    "": 1.0,
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
}
_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def quantity(text: str | int) -> float:
    """A Kubernetes quantity as a plain number: `40Mi` -> 41943040.0, `500m` -> 0.5. ValueError on anything else."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?", str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a quantity such as 40Mi, 2Gi or 500m")
    return float(match[1]) * _SCALE[match[2] or ""]


def seconds(text: str) -> float:
    """A duration as seconds: `1h30m` -> 5400.0, `150ms` -> 0.15. ValueError on anything else."""
    parts = re.findall(r"([0-9]+)(ms|s|m|h|d)", text)
    if not parts or "".join(a + b for a, b in parts) != text:
        raise ValueError(f"{text!r} is not a duration such as 150ms, 90s or 1h30m")
    return sum(int(number) * _SECONDS[unit] for number, unit in parts)


def milliseconds(text: str) -> float:
    """A measured time as seconds: `2.4ms` -> 0.0024."""
    return float(text.removesuffix("ms")) / 1000


def in_milliseconds(time: float) -> str:
    """Seconds for people, to three digits: 0.0024 -> `2.4ms`."""
    return f"{three_digits(time * 1000)}ms"


def three_digits(number: float) -> str:
    """No more than a measurement is good for, and never an exponent: 1234.5 -> `1235`, 0.01234 -> `0.0123`."""
    text = f"{number:.0f}" if number >= 100 else f"{number:.{max(0, 2 - _magnitude(number))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _magnitude(number: float) -> int:
    """Power of ten of the first digit; at least -4: six decimals are enough for anything."""
    return max(-4, int(f"{number:e}".partition("e")[2])) if number else 0


def binary(size: float) -> str:
    """A number of bytes for people: 41943040 -> `40Mi`, 1610612736 -> `1.5Gi`."""
    unit = ""
    for larger in ("Ki", "Mi", "Gi"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.1f}".removesuffix(".0") + unit
