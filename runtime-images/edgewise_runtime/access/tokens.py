"""Bearer tokens out of a mounted Secret: each key is a client's name, its value that client's token. Used by Access.

Two keys for one client (camera, camera-next) are how a token is replaced without a moment in which neither works.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

SHORTEST = 16  # characters of a token: 64 bits in hex, 96 in base64; fewer could be found by trying
LONGEST = 4096
_NAMED = 3  # clients in a complaint
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")  # RFC 6750: what a client can put into the header
_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)


class Tokens:
    """The tokens of one moment.

    They are kept, and looked up, as digests under a key that only this process has: nobody outside can predict them,
    so the time of a look-up tells nothing about how much of a token was right."""

    def __init__(self, values: dict[str, bytes]) -> None:
        """{client: token}. Of one token under two names the first counts."""
        self._key = secrets.token_bytes(32)
        good = {name: token for name, token in values.items() if _usable(token)}
        self._names = {self._digest(good[name]): name for name in reversed(good)}
        self.problem = _complaint([name for name in values if name not in good])
        """What a person should change; empty: all of them are good."""

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._names)

    def client(self, token: bytes) -> str | None:
        """Whose it is; None: nobody's."""
        return self._names.get(self._digest(token))

    def _digest(self, token: bytes) -> bytes:
        return hashlib.blake2b(token, digest_size=32, key=self._key).digest()


def read_tokens(folder: Path) -> Tokens:
    """Every file but the kubelet's own (`..data`). OSError where it cannot be read."""
    files = [path for path in sorted(folder.iterdir()) if not path.name.startswith("..") and path.is_file()]
    return Tokens({path.name: path.read_bytes().strip() for path in files})


def bearer(authorization: bytes | str | None) -> bytes | None:
    """The token in an Authorization header; None where there is none, or another kind of credentials."""
    if isinstance(authorization, str):
        authorization = authorization.encode("latin-1", "replace")
    found = _BEARER.fullmatch(authorization or b"")
    return found.group(1) if found else None


def _usable(token: bytes) -> bool:
    return SHORTEST <= len(token) <= LONGEST and _TOKEN.fullmatch(token) is not None


def _complaint(bad: Sequence[str]) -> str:
    """Names the clients, never their tokens."""
    if not bad:
        return ""
    names = ", ".join(bad[:_NAMED]) + (f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else "")
    return (
        f"not usable: the token of {names} ({SHORTEST} to {LONGEST} letters, digits and ._~+/- are; "
        "openssl rand -hex 32 makes one)"
    )
