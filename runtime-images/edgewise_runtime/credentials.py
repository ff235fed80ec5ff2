"""What a mounted Secret says we are: a token, or a user name and a password. Used for model sources and for targets.

Nothing here prints a secret: not a repr, not an error.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from pathlib import Path

_SENDABLE = re.compile(r"[\x21-\x7e]+")  # what an HTTP header takes anywhere, and no space: it would end the token


@dataclass(frozen=True)
class Credentials:
    """A token, or a user name and a password, or nothing."""

    token: str = field(default="", repr=False)
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def sendable(self) -> bool:
        """False for a token that no header can carry; a user name and a password go in base64, whatever they are."""
        return not self.token or _SENDABLE.fullmatch(self.token) is not None

    def basic(self) -> str:
        """Value of an Authorization header; empty where there is no user name."""
        if not self.username:
            return ""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    def header(self) -> str:
        """Value of an Authorization header; empty where there is nothing to say."""
        return f"Bearer {self.token}" if self.token else self.basic()


def read_credentials(folder: Path) -> Credentials:
    """From the keys `token`, or `username` and `password`, of a mounted Secret; those that are missing are empty."""
    return Credentials(*(_key(folder / key) for key in ("token", "username", "password")))


def _key(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
