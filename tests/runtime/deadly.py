"""Programs that kill themselves before a given step, for tests of what a crash leaves behind."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from typing import Any


def deadly(step: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Wraps functions, all counted together, so that call number `step` (from 0) is the last thing that happens."""
    calls = itertools.count()

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(calls) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return call

    return wrap
