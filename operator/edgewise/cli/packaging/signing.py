"""Signs a package as OpenSSF Model Signing has it, so that devices, and the model_signing tool, know who made it.

Called by `kubectl edgewise package --sign`. The private key is read here, and leaves this machine nowhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edgewise.cli.packaging.builds import PackagingError
from edgewise_runtime.trust import SIGNATURE, oms
from edgewise_runtime.trust.keys import LEAST_RSA_BITS, USABLE, ecdsa, fingerprint

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

UNSIGNED = (".git", ".gitattributes", ".github", ".gitignore", SIGNATURE)
"""At the top of the folder: what the format leaves out, and the signature itself."""


class PrivateKey:
    """Who signs."""

    def __init__(self, public: PublicKeyTypes, sign: Callable[[bytes], bytes]) -> None:
        self.fingerprint = fingerprint(public)
        """sha256 of the public key as PEM, in hex: what devices know it by."""
        self.sign = sign


def read_key(path: Path, ask: Callable[[], str]) -> PrivateKey:
    """From a PEM file. `ask` gives its password, where it has one. PackagingError where it cannot be used."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        key = _loaded(path.read_bytes(), ask)
    except (OSError, TypeError, ValueError, UnsupportedAlgorithm) as error:
        why = error.strerror if isinstance(error, OSError) else "no private key in PEM, or another password"
        raise PackagingError(f"cannot sign with {path}: {why}") from error
    return PrivateKey(key.public_key(), _signing(key, path))


def _loaded(content: bytes, ask: Callable[[], str]) -> PrivateKeyTypes:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(content, None)
    except TypeError:  # it has a password
        return load_pem_private_key(content, ask().encode())


def _signing(key: PrivateKeyTypes, path: Path) -> Callable[[bytes], bytes]:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256

    if isinstance(key, ec.EllipticCurvePrivateKey) and (way := ecdsa(key.curve)) is not None:
        return lambda message: key.sign(message, way)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= LEAST_RSA_BITS:
        return lambda message: key.sign(message, padding.PKCS1v15(), SHA256())
    raise PackagingError(f"{path} is a key of a kind that signs no models; use {USABLE}")


def sign(folder: Path, key: PrivateKey, name: str, ignore: Iterable[str] = ()) -> bytes:
    """The signature file over every file of `folder`, which is to lie there as SIGNATURE. PackagingError.

    `name`: of the model, for people. `ignore`: what lies at the top of the folder and is not signed."""
    unsigned = sorted({*UNSIGNED, *ignore})
    resources = [
        oms.Resource(name=title, algorithm="sha256", digest=_sha256(path))
        for title, path in sorted(_files(folder, unsigned))
    ]
    if not resources:
        raise PackagingError(f"{folder} holds nothing to sign")
    payload = _statement(name, resources, unsigned).model_dump_json(by_alias=True, exclude_none=True).encode()
    return _bundle(payload, key).model_dump_json(by_alias=True, exclude_none=True).encode() + b"\n"


def _statement(name: str, resources: list[oms.Resource], unsigned: list[str]) -> oms.Statement:
    read = oms.Serialization(method="files", hash_type="sha256", allow_symlinks=False, ignore_paths=unsigned)
    return oms.Statement(
        kind=oms.STATEMENT_TYPE,
        subject=[oms.Subject(name=name, digest={"sha256": oms.root(resources)})],
        predicate_type=oms.PREDICATE_TYPE,
        predicate=oms.Predicate(resources=resources, serialization=read),
    )


def _bundle(payload: bytes, key: PrivateKey) -> oms.Bundle:
    signature = oms.EnvelopeSignature(sig=key.sign(oms.pae(payload)))
    return oms.Bundle(
        media_type=oms.MEDIA_TYPE,
        verification_material=oms.Material(public_key=oms.KeyHint(hint=key.fingerprint)),
        dsse_envelope=oms.Envelope(payload=payload, payload_type=oms.PAYLOAD_TYPE, signatures=[signature]),
    )


def _files(folder: Path, unsigned: list[str]) -> Iterator[tuple[str, Path]]:
    """(path below the folder, path) of what is signed."""
    for path in folder.rglob("*"):
        below = path.relative_to(folder)
        if below.parts[0] in unsigned:
            continue
        if path.is_symlink():
            raise PackagingError(f"{path} is a symbolic link; put the file itself there")
        if path.is_file():
            yield _title(below), path


def _title(below: Path) -> str:
    try:
        return below.as_posix().encode().decode()
    except UnicodeEncodeError as error:
        raise PackagingError(f"{below!r} is no UTF-8; rename the file") from error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()
