"""PEM files as people put them into Secrets."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edgewise_runtime.trust.keys import UnusableKeyError, read_keys
from tests.runtime.trust.signing import signer


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | dsa.DSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_a_file_may_hold_several_keys_with_words_between_them() -> None:
    old, new = signer(), signer("Ed25519")
    content = b"# until March\n" + old.public + b"\n# from March on\r\n" + new.public.replace(b"\n", b"\r\n").rstrip()
    assert read_keys(content) == [old.trusted, new.trusted]


UNUSABLE = {
    "nothing": (b"", "no key in PEM"),
    "something else": (b"ssh-ed25519 AAAA alice@desk", "no key in PEM"),
    "cut off": (signer().public[:-10], "no key in PEM"),
    "a private key": (signer().private, "private key, which no device should see"),
    "a certificate": (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "holds a CERTIFICATE"),
    "damaged": (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "cannot be read"),
    "a short RSA key": (pem(rsa.generate_private_key(65537, 1024)), "signs no models"),
    "a curve nobody asked for": (pem(ec.generate_private_key(ec.SECP256K1())), "signs no models"),
    "one good and one bad": (signer().public + signer().private, "private key"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_is_no_use_says_so(name: str) -> None:
    content, says = UNUSABLE[name]
    with pytest.raises(UnusableKeyError, match=says):
        read_keys(content)


def test_no_message_and_no_repr_shows_a_private_key() -> None:
    pair = signer()
    secret = pair.private.splitlines()[1].decode()
    with pytest.raises(UnusableKeyError) as caught:
        read_keys(pair.private)
    assert secret not in str(caught.value)
    assert secret not in repr(pair.trusted)


def test_a_device_without_signed_models_does_not_pay_for_cryptography() -> None:
    program = "import sys, edgewise_runtime.agent; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
