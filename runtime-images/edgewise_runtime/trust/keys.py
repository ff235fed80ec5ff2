"""Public keys out of PEM files, and whether one of them made a signature.

EC keys on P-256, P-384 and P-521, as OpenSSF Model Signing asks for; Ed25519 and RSA, as sigstore's list of algorithms
has them. A file may hold several keys: that is how one is added, or taken away, without another pod.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurve
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

LEAST_RSA_BITS = 2048
_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)
_CURVES = {"secp256r1": "SHA256", "secp384r1": "SHA384", "secp521r1": "SHA512"}
"""The hash that goes with each curve."""
_SHOWN = 12

USABLE = f"EC P-256, P-384 or P-521, Ed25519, or RSA of {LEAST_RSA_BITS} bits and more"


class UnusableKeyError(ValueError):
    """No key that signatures of models are made with; the message says what to change."""


@dataclass(frozen=True)
class PublicKey:
    """Who may sign."""

    fingerprint: str
    """sha256 of the key as PEM, in hex: what signatures carry as a hint."""
    _check: Callable[[bytes, bytes], None] = field(repr=False, compare=False)

    @property
    def shown(self) -> str:
        """Enough of the fingerprint to tell keys apart."""
        return self.fingerprint[:_SHOWN]

    def made(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` over `message` is this key's."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._check(signature, message)
        except InvalidSignature:
            return False
        return True


def read_keys(content: bytes) -> list[PublicKey]:
    """All keys of a PEM file. UnusableKeyError where there is none, or one of them is of no use."""
    blocks = [(match[1].decode(), match[0]) for match in _BLOCK.finditer(content)]
    if not blocks:
        raise UnusableKeyError("it holds no key in PEM (-----BEGIN PUBLIC KEY-----)")
    return [_key(kind, block) for kind, block in blocks]


def _key(kind: str, block: bytes) -> PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if "PRIVATE" in kind:
        raise UnusableKeyError("it holds a private key, which no device should see: put the public one there")
    if kind != "PUBLIC KEY":
        raise UnusableKeyError(f"it holds a {kind}, where a PUBLIC KEY is needed")
    try:
        key = load_pem_public_key(block + b"\n")
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnusableKeyError(f"it holds a key that cannot be read ({error})") from error
    return PublicKey(fingerprint(key), _checking(key))


def fingerprint(key: PublicKeyTypes) -> str:
    """sha256 of the key as PEM, in hex."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _checking(key: PublicKeyTypes) -> Callable[[bytes, bytes], None]:
    """(signature, message) -> nothing, or InvalidSignature."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256

    if isinstance(key, ec.EllipticCurvePublicKey) and (way := ecdsa(key.curve)) is not None:
        return lambda signature, message: key.verify(signature, message, way)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key.verify
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= LEAST_RSA_BITS:
        return lambda signature, message: key.verify(signature, message, padding.PKCS1v15(), SHA256())
    raise UnusableKeyError(f"it holds a key of a kind that signs no models; use {USABLE}")


def ecdsa(curve: EllipticCurve) -> ECDSA | None:
    """How keys on this curve sign; None: they do not."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

    name = _CURVES.get(curve.name)
    return ECDSA(getattr(hashes, name)()) if name is not None else None
