"""Files of golden data, as people write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def npz(path: Path, **arrays: Any) -> Path:
    """`input__x` stands for input.x, as a keyword cannot."""
    named: dict[str, Any] = {name.replace("__", "."): array for name, array in arrays.items()}
    np.savez(path, **named)
    return path
