"""How many bytes all requests together may hold. Each connection takes what it receives, and gives it back."""

from __future__ import annotations

from dataclasses import dataclass

from edgewise_runtime.errors import OverloadedError


@dataclass(slots=True)
class Memory:
    """Counts what has arrived, not what was declared: a thousand clients that promise 64 MB hold nothing yet."""

    limit: int
    held: int = 0
    """May be more than the limit: answers that wait for their clients count, too."""

    def take(self, size: int) -> None:
        """OverloadedError where that is too much; then nothing was taken."""
        if self.held + size > self.limit:
            raise OverloadedError(
                f"requests hold {self.held} of the {self.limit} bytes this device has for them; try again in a second"
            )
        self.held += size

    def hold(self, size: int) -> None:
        """What is there already, whatever the limit: those who come later are refused for it."""
        self.held += size

    def give_back(self, size: int) -> None:
        """What was taken or held."""
        self.held -= size
