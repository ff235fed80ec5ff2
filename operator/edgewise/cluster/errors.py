"""What can go wrong between us and the API server, as types a caller can act on.

ApiError
├── UnavailableError     nobody answers, or the server is overloaded: try again later
└── RefusedError         the server understood and said no
    ├── UnauthorizedError    it does not know us
    ├── ForbiddenError       RBAC, quota or an admission policy
    ├── NotFoundError        no such object, or no such kind
    ├── ConflictError        somebody else owns the field, or the object changed
    ├── ExpiredError         a list's continue token or resourceVersion is too old
    └── InvalidError         the object itself is wrong
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """A request to the API server failed; the text is the server's own message where there is one."""


class UnavailableError(ApiError):
    """The API server cannot be reached, or is too busy."""


class RefusedError(ApiError):
    """The API server said no. `status` is the HTTP status, `reason` metav1.StatusReason."""

    def __init__(self, message: str, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class UnauthorizedError(RefusedError):
    """The credentials are not, or no longer, good."""


class ForbiddenError(RefusedError):
    """RBAC, a quota or an admission policy forbids it."""


class NotFoundError(RefusedError):
    """No such object, or the server does not know the kind."""


class ConflictError(RefusedError):
    """Another field manager owns the field, a precondition failed, or the name is taken."""


class ExpiredError(RefusedError):
    """The continue token is too old: list again from the start."""


class InvalidError(RefusedError):
    """The object does not pass the server's validation."""


_BY_STATUS: Mapping[int, type[RefusedError]] = {
    400: InvalidError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: ExpiredError,
    422: InvalidError,
}


def error_of(status: int, answer: Mapping[str, Any]) -> ApiError:
    """The error of a failed answer: its HTTP status and metav1.Status body."""
    message = str(answer.get("message") or f"HTTP {status}")
    if status == 429 or status >= 500:
        return UnavailableError(message)
    return _BY_STATUS.get(status, RefusedError)(message, status, str(answer.get("reason", "")))
