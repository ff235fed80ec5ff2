"""A program for test_kills.py: keeps examples until it is killed, and says of each that it is kept.

With a number of steps it kills itself before that many calls that change the disk; without, somebody else does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.runtime.deadly import deadly
from tests.runtime.spool.examples import NOW, packed, store

LIMIT = 40 * 4096


def main() -> None:
    folder, first, step = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    if step >= 0:
        wrap = deadly(step)
        for name in ("open", "write", "fsync", "replace", "unlink", "mkdir"):
            setattr(os, name, wrap(getattr(os, name)))
    kept, _ = store(folder, size=LIMIT, age=1e9)
    for seed in range(first, first + 100_000):
        kept.add(packed(size=30 * (seed % 97), seed=seed), NOW + seed, seed % 7 / 7)
        sys.stdout.write(f"{seed}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
