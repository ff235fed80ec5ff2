"""What a token must be for a device to be believed: pure verification, with a key pair made here."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from edgewise.controller.tokens import Device, TokenRefusedError, device_of, keys_of

ISSUER = "https://kubernetes.default.svc"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS = keys_of(
    {"issuer": ISSUER},
    {
        "keys": [
            {**RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True), "kid": "rsa", "use": "sig", "alg": "RS256"},
            {**ECAlgorithm.to_jwk(EC.public_key(), as_dict=True), "kid": "ec", "use": "sig", "alg": "ES256"},
        ]
    },
)
DAY = 86_400  # seconds; tokens of the table below are made when tests are collected, which may be long before
BOUND = {"namespace": "edge", "pod": {"name": "digits-a", "uid": "1"}, "node": {"name": "pi-1", "uid": "2"}}


def token(key: Any = RSA, kid: str = "rsa", algorithm: str = "RS256", bound: Any = BOUND, **claims: Any) -> str:
    now = int(time.time())
    usual = {"iss": ISSUER, "aud": ["edgewise-operator"], "exp": now + DAY, "iat": now, "kubernetes.io": bound}
    kept = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid})


@pytest.mark.parametrize(("key", "kid", "algorithm"), [(RSA, "rsa", "RS256"), (EC, "ec", "ES256")])
def test_a_good_token_tells_pod_and_node(key: Any, kid: str, algorithm: str) -> None:
    assert device_of(token(key, kid, algorithm), KEYS) == Device("edge", "digits-a", "1", "pi-1")


REFUSED = {
    "signed by a stranger": (token(STRANGER), "Signature verification failed"),
    "signed with an unknown key": (token(STRANGER, kid="stranger"), "not the cluster's"),
    "signed with the public key as a secret": (token("x" * 32, algorithm="HS256"), "alg value is not allowed"),
    "not signed": (
        jwt.encode({"iss": ISSUER}, "", algorithm="none", headers={"kid": "rsa"}),
        "alg value is not allowed",
    ),
    "of another cluster": (token(iss="https://elsewhere"), "Invalid issuer"),
    "for the API server": (token(aud=["https://kubernetes.default.svc"]), "Audience doesn't match"),
    "for nobody": (token(aud=None), "aud"),
    "expired": (token(exp=1), "expired"),
    "that never expires": (token(exp=None), "exp"),
    "not yet valid": (token(nbf=int(time.time()) + DAY), "not yet valid"),
    "of no pod": (token(bound={"namespace": "edge"}), "not bound to a pod on a node"),
    "of a pod on no node": (token(bound={**BOUND, "node": None}), "not bound to a pod on a node"),
    "of something else": (token(bound=None), "not bound to a pod on a node"),
    "that is none": ("tea", "not a token"),
}


@pytest.mark.parametrize(("text", "why"), REFUSED.values(), ids=REFUSED)
def test_a_token_is_refused(text: str, why: str) -> None:
    with pytest.raises(TokenRefusedError, match=why):
        device_of(text, KEYS)
