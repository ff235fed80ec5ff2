"""Lends what only one run at a time may use: interpreters, infer requests. Made when first needed, up to a limit."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Pool(Generic[T]):
    """Of one session. The one used last is lent first: its memory is still in the processor's caches."""

    def __init__(self, make: Callable[[], T], limit: int) -> None:
        self._make = make
        self._free: list[T] = []
        self._lock = threading.Lock()
        self._places = threading.Semaphore(limit)

    @contextlib.contextmanager
    def lent(self) -> Iterator[T]:
        """One of them; waits while all are lent."""
        with self._places:
            with self._lock:
                one = self._free.pop() if self._free else None
            if one is None:
                one = self._make()
            try:
                yield one
            finally:
                with self._lock:
                    self._free.append(one)

    def add(self, one: T) -> None:
        """One that is there already."""
        self._free.append(one)

    def clear(self) -> None:
        """Lets go of all that are not lent."""
        with self._lock:
            self._free.clear()

    def close(self) -> None:
        """Nothing is lent any more, and what they are made from is free to go."""
        self.clear()
        del self._make
