"""Why a release is not served: a reason from names.Reason, a message for a tired person, and when to try again."""

from __future__ import annotations

from edgewise.api.names import Reason
from edgewise_runtime.agent.backoff import backoff

_SOON = frozenset(
    {
        Reason.SOURCE_UNREACHABLE,
        Reason.DISK_FULL,
        Reason.KEY_MISSING,
        Reason.PUBLIC_KEY_MISSING,
        Reason.SIGNATURE_INVALID,  # to judge again costs nothing, and a mounted key may have come meanwhile
        Reason.SIGNATURE_EXPIRED,
        Reason.CLOCK_UNTRUSTED,
    }
)
_SLOWLY = frozenset({Reason.HASH_MISMATCH, Reason.SOURCE_REFUSED, Reason.ACCELERATOR_MISSING, Reason.CRASH_LOOP})


class Failure(Exception):  # noqa: N818  a state that is reported, not a programming error
    """Something a device reports instead of serving; the message says what to change."""

    def __init__(self, reason: str, message: str, model: str = "") -> None:
        """`model`: the one that is to blame; empty: the release as a whole."""
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.model = model
        self.final = False
        """Not tried again by and by, without anybody's word: each try takes away what serves."""

    def retry_after(self, attempt: int) -> float | None:
        """Seconds to wait after try number `attempt` (from 0); None: not until the plan names something else.

        What heals by itself is tried every minute at the latest. What needs somebody to repair the source or plug the
        accelerator in is tried after 1, 2, 4 … 60 minutes: each try may cost a whole download on a metered link.
        """
        if self.reason in _SOON:
            return backoff(attempt, 1.0, 60.0)
        if self.reason in _SLOWLY and not self.final:
            return backoff(attempt, 60.0, 3600.0)
        return None
