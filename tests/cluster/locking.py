"""One at a time, across processes: builds in the shared cache, and the cluster of the machine."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster import paths


@contextmanager
def exclusive(what: str) -> Iterator[None]:
    """Waits until no other process is in a block of the same name; the kernel lets go when a process dies."""
    folder = paths.cache() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / what).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
