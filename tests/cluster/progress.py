"""Tells a waiting person what is going on: one line when a step starts, one more when it took long."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_BEGAN = time.monotonic()
_LONG = 2.0


def say(line: str) -> None:
    """Prints `line` to standard error behind the seconds since the program began."""
    print(f"[{time.monotonic() - _BEGAN:6.1f} s] {line}", file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Announces a piece of work; once done, its duration too, if that was over two seconds."""
    say(f"{what} ...")
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    if took > _LONG:
        say(f"{what}: done in {took:.1f} s")
