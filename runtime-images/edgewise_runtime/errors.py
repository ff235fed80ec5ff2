"""What can go wrong with a request. Each error knows its HTTP status once; the transports only translate.

ServingError 500
├── BadRequestError 400
│   └── ModelRefusedError 400
├── UnauthorizedError 401
├── ForbiddenError 403
├── NotFoundError 404
├── MethodError 405
├── BodyTimeoutError 408
├── TooLargeError 413
├── UnsupportedEncodingError 415
├── ExpectationError 417
├── RateLimitedError 429
├── HeadTooLargeError 431
├── ModelFailedError 500
├── NotServedError 501
├── DeadlineError 504
└── UnavailableError 503
    ├── ChangingError 503
    └── OverloadedError 429
"""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)


class ServingError(Exception):
    """Something the client is told in `{"error": ...}`."""

    status = 500
    outcome = "failed"
    """Label of the request counter."""
    retry_after: int | None = None
    """Seconds after which the same request may be answered; None: trying again does not help, or nobody knows."""


class BadRequestError(ServingError):
    """The request cannot be served as it is; the message says what to change."""

    status = 400
    outcome = "refused"


class ModelRefusedError(BadRequestError):
    """It fits the model's inputs, and the engine finds fault with it."""


class UnauthorizedError(ServingError):
    """Nobody known is asking: no token, or a wrong one."""

    status = 401
    outcome = "refused"


class ForbiddenError(ServingError):
    """Whoever asks may not, or nobody may ask that here."""

    status = 403
    outcome = "refused"


class NotFoundError(ServingError):
    """No such model, version or path."""

    status = 404
    outcome = "refused"


class MethodError(ServingError):
    """The path is served, but not for this method."""

    status = 405
    outcome = "refused"

    def __init__(self, message: str, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed


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


class ExpectationError(ServingError):
    """An Expect header other than 100-continue."""

    status = 417
    outcome = "refused"


class RateLimitedError(ServingError):
    """This client asks more often than it may."""

    status = 429
    outcome = "refused"
    retry_after = 1


class HeadTooLargeError(ServingError):
    """More header fields, or longer ones, than any client needs."""

    status = 431
    outcome = "refused"


class ModelFailedError(ServingError):
    """The engine failed on a request that looked right."""


class NotServedError(ServingError):
    """Part of the protocol, or of its extensions, that is not for a device."""

    status = 501
    outcome = "refused"


class DeadlineError(ServingError):
    """The time that the request itself allows has passed before it was its turn."""

    status = 504
    outcome = "late"


class UnavailableError(ServingError):
    """No model is loaded yet."""

    status = 503
    outcome = "unavailable"


class ChangingError(UnavailableError):
    """The model was unloaded to make room for its next version, which is being loaded; try again in a second."""

    retry_after = 1


class OverloadedError(UnavailableError):
    """As much waits or lies in memory as this device takes; try again in a second."""

    status = 429
    outcome = "overloaded"
    retry_after = 1


def told(error: Exception, what: str) -> ServingError:
    """What a client hears where `what` failed: a ServingError speaks for itself, of others the log has the details."""
    if isinstance(error, ServingError):
        return error
    log.error("%s failed", what, exc_info=error)
    return ServingError("an error of this server; its log has the details")


def shown(value: object, limit: int = 80) -> str:
    """`value` as it may stand in a message: quoted, and short however long a client made it."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
