"""Who is speaking? Checks a device's projected service-account token against the cluster's own public keys.

No TokenReview: the API server is asked for its keys once, not for every report. The token binds namespace, pod and
node, so a device can only speak for itself. Called by the reports server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

import jwt

from edgewise.api.names import REPORT_AUDIENCE
from edgewise.cluster.client import Client

_ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "EdDSA")  # asymmetric ones only
_LEEWAY = 30.0  # seconds between the API server's clock and ours
_REFETCH = 30.0  # seconds at least between two fetches: nobody makes us flood the API server with invented key ids


class TokenRefusedError(Exception):
    """The token proves nothing; the text says why."""


@dataclass(frozen=True)
class Device:
    """A pod on a node, as its token says."""

    namespace: str
    pod: str
    pod_uid: str
    node: str


@dataclass(frozen=True)
class Keys:
    """The public keys of a cluster's service-account tokens, by key id."""

    issuer: str
    by_id: Mapping[str, jwt.PyJWK]


def keys_of(configuration: Mapping[str, Any], key_set: Mapping[str, Any]) -> Keys:
    """From /.well-known/openid-configuration and /openid/v1/jwks."""
    known = jwt.PyJWKSet.from_dict(dict(key_set))
    return Keys(configuration["issuer"], {key.key_id: key for key in known.keys if key.key_id})


def device_of(token: str, keys: Keys) -> Device:
    """Verifies signature, issuer, audience and dates. Raises TokenRefusedError."""
    key = keys.by_id.get(key_id(token))
    if key is None:
        raise TokenRefusedError("signed with a key that is not the cluster's")
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=list(_ALGORITHMS),
            audience=REPORT_AUDIENCE,
            issuer=keys.issuer,
            leeway=_LEEWAY,
            options={"require": ["exp", "iss", "aud"]},
        )
        bound = claims["kubernetes.io"]
        return Device(bound["namespace"], bound["pod"]["name"], bound["pod"]["uid"], bound["node"]["name"])
    except jwt.PyJWTError as error:
        raise TokenRefusedError(str(error)) from error
    except (KeyError, TypeError) as error:
        raise TokenRefusedError("not bound to a pod on a node; needs Kubernetes 1.30 or later") from error


def key_id(token: str) -> str:
    """The id of the key a token claims to be signed with. Raises TokenRefusedError."""
    try:
        return str(jwt.get_unverified_header(token).get("kid", ""))
    except jwt.PyJWTError as error:
        raise TokenRefusedError(f"not a token: {error}") from error


class TokenVerifier:
    """Fetches the cluster's keys when they are first needed, and when a token names one that is not known."""

    def __init__(self, client: Client, clock: Callable[[], float] = monotonic) -> None:
        self._client = client
        self._clock = clock
        self._keys = Keys("", {})
        self._fetched_at = float("-inf")

    async def verify(self, token: str) -> Device:
        """Raises TokenRefusedError, or ApiError where the keys cannot be had."""
        if key_id(token) not in self._keys.by_id and self._clock() - self._fetched_at > _REFETCH:
            configuration = await self._client.document("/.well-known/openid-configuration")
            self._keys = keys_of(configuration, await self._client.document("/openid/v1/jwks"))
            self._fetched_at = self._clock()
        return device_of(token, self._keys)
