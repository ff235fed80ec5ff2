"""An event loop whose clock jumps to the next timer instead of waiting: hours pass in no time, in the right order."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class FakeTimeLoop(asyncio.SelectorEventLoop):
    """Time starts at 0 and passes only when everything waits."""

    def __init__(self) -> None:
        super().__init__()
        self._passed = 0.0
        selector: selectors.BaseSelector = self._selector  # type: ignore[attr-defined]  # asyncio's own name for it
        self._wait = selector.select
        selector.select = self._jump  # type: ignore[method-assign]

    def time(self) -> float:
        return self._passed

    def _jump(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("everything waits, and for nothing: a deadlock")
        self._passed += timeout
        return self._wait(0)


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, at once."""
    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        return runner.run(work)
