"""What can go wrong with a request. Each error knows its HTTP status once; the transports only translate.

ServingError 500
├── BadRequestError 400
├── NotFoundError 404
├── BodyTimeoutError 408
├── TooLargeError 413
├── UnsupportedEncodingError 415
├── ModelFailedError 500
└── UnavailableError 503
    └── OverloadedError 503
"""

from __future__ import annotations


class ServingError(Exception):
    """Something the client is told in `{"error": ...}`."""

    status = 500
    outcome = "failed"
    """Label of the request counter."""


class BadRequestError(ServingError):
    """The request cannot be served as it is; the message says what to change."""

    status = 400
    outcome = "refused"


class NotFoundError(ServingError):
    """No such model, version or path."""

    status = 404
    outcome = "refused"


class BodyTimeoutError(ServingError):
    """The body did not arrive in time."""

    status = 408
    outcome = "refused"


class TooLargeError(ServingError):
    """The body is larger than this device takes."""

    status = 413
    outcome = "refused"


class UnsupportedEncodingError(ServingError):
    """A Content-Encoding that is not understood."""

    status = 415
    outcome = "refused"


class ModelFailedError(ServingError):
    """The engine failed on a request that looked right."""


class UnavailableError(ServingError):
    """No model is loaded yet."""

    status = 503
    outcome = "unavailable"


class OverloadedError(UnavailableError):
    """The queue is full; try again in a second."""

    outcome = "overloaded"


def shown(value: object, limit: int = 80) -> str:
    """`value` as it may stand in a message: quoted, and short however long a client made it."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
