"""Remembers which streams of a connection there were, to tell a late frame from a broken rule. For connection.py."""

from __future__ import annotations

from edgewise_runtime.grpc.frames import PROTOCOL_ERROR, STREAM_CLOSED, BrokenRulesError

_REMEMBERED = 256


class Past:
    """Of one connection."""

    def __init__(self) -> None:
        self.last = 0
        """The highest stream."""
        self._over: dict[int, bool] = {}  # the newest that have ended: whether more of them may be on its way

    def ended(self, stream: int) -> None:
        """The client knows, or has said so itself."""
        self._over.setdefault(stream, False)
        if len(self._over) > _REMEMBERED:
            del self._over[next(iter(self._over))]

    def cut_short(self, stream: int) -> None:
        """What the client has sent before it hears of that is to be skipped."""
        self._over[stream] = True

    def check(self, stream: int) -> None:
        """BrokenRulesError where there was no such stream yet, or can be none."""
        if stream == 0 or stream > self.last or stream % 2 == 0:
            raise BrokenRulesError(PROTOCOL_ERROR, "a frame of a stream that was never opened")

    def check_late(self, stream: int) -> None:
        """Of a frame with more of a stream that has ended. BrokenRulesError where that cannot have been under way."""
        self.check(stream)
        skipped = self._over.get(stream)
        if not skipped:
            code = PROTOCOL_ERROR if skipped is None else STREAM_CLOSED
            raise BrokenRulesError(code, "more of a call that has ended, or never began")
