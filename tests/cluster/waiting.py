"""Waiting for a process to be ready, with an error that says which log to read."""

import time
from collections.abc import Callable

from tests.cluster.process import Process


class NotReadyError(RuntimeError):
    """Something did not get ready in time, or died on the way there."""


def wait_for(what: str, ready: Callable[[], bool], process: Process | None = None, timeout: float = 60) -> None:
    """Asks `ready` until it says yes; gives up after `timeout` seconds or when `process` has died."""
    interval = 0.02
    deadline = time.monotonic() + timeout
    while not ready():
        died = process is not None and not process.alive
        if died or time.monotonic() > deadline:
            happened = "its process has died" if died else f"not so after {timeout:.0f} s"
            raise NotReadyError(f"{what}: {happened}" + (f"\n{process.log_tail()}" if process else ""))
        time.sleep(interval)
        interval = min(interval * 1.5, 0.5)
