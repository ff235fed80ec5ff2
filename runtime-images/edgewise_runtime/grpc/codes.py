"""ServingErrors as gRPC says them. An error knows its HTTP status; here is what that is called in gRPC."""

from __future__ import annotations

from edgewise_runtime.errors import ServingError

_INTERNAL = 13
_CODES = {
    400: 3,  # INVALID_ARGUMENT
    401: 16,  # UNAUTHENTICATED
    403: 7,  # PERMISSION_DENIED
    404: 5,  # NOT_FOUND
    408: 4,  # DEADLINE_EXCEEDED
    413: 8,  # RESOURCE_EXHAUSTED
    415: 12,  # UNIMPLEMENTED, as gRPC wants it for a compression that is not known
    429: 8,  # RESOURCE_EXHAUSTED
    501: 12,  # UNIMPLEMENTED
    503: 14,  # UNAVAILABLE
    504: 4,  # DEADLINE_EXCEEDED
}


def code_of(error: ServingError) -> int:
    """INTERNAL where the model, or this server, is at fault."""
    return _CODES.get(error.status, _INTERNAL)
