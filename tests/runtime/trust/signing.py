"""Keys, packages and signatures of tests: good ones, so that each test says only what is wrong with its own."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from edgewise.cli.packaging.signing import PrivateKey, read_key, sign
from edgewise_runtime.trust import MANIFEST, SIGNATURE
from edgewise_runtime.trust.judging import Proof
from edgewise_runtime.trust.keys import PublicKey, read_keys
from edgewise_runtime.trust.manifest import Manifest

ISSUED = "2026-11-01T00:00:00Z"

KINDS: Mapping[str, Callable[[], PrivateKeyTypes]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "RSA-2048": lambda: rsa.generate_private_key(65537, 2048),
}


@dataclass(frozen=True)
class Signer:
    """A key pair, in PEM."""

    private: bytes
    public: bytes

    @property
    def trusted(self) -> PublicKey:
        (key,) = read_keys(self.public)
        return key

    def key(self, folder: Path) -> PrivateKey:
        """As the command line reads it."""
        path = folder.with_suffix(".pem")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.private)
        return read_key(path, lambda: "")


def signer(kind: str = "P-256", password: bytes = b"") -> Signer:
    """A new one."""
    key = KINDS[kind]()
    hidden = BestAvailableEncryption(password) if password else NoEncryption()
    return Signer(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden),
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


@cache
def known(name: str) -> Signer:
    """The one of that name, for the whole run: alice may sign, mallory may not."""
    return signer()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Package:
    """A version of a model, on the way to be signed: {variant: content} and what edgewise.json says of them."""

    folder: Path
    files: Mapping[str, bytes]
    model: str = "digits"
    version: str = "1.0.0"
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the manifest, or others than these."""

    @property
    def manifest(self) -> bytes:
        files = {variant: f"{variant}.onnx" for variant in self.files}
        fields = {"model": self.model, "version": self.version, "files": files, "issued": ISSUED, **self.more}
        return Manifest.model_validate(fields).text()

    def written(self) -> Path:
        """The folder, with everything but the signature."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for variant, content in self.files.items():
            (self.folder / f"{variant}.onnx").write_bytes(content)
        (self.folder / MANIFEST).write_bytes(self.manifest)
        return self.folder

    def signed(self, by: Signer) -> Proof:
        """The folder gets its signature, too."""
        folder = self.written()
        signature = sign(folder, by.key(folder), self.model)
        (folder / SIGNATURE).write_bytes(signature)
        return Proof(signature, self.manifest)


def statement(bundle: bytes) -> dict[str, Any]:
    """What a signature file is over."""
    found: dict[str, Any] = json.loads(base64.b64decode(json.loads(bundle)["dsseEnvelope"]["payload"]))
    return found


def tampered(bundle: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The signature file over another statement than was signed."""
    document, content = json.loads(bundle), statement(bundle)
    change(content)
    document["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(content).encode()).decode()
    return json.dumps(document).encode()


def resigned(bundle: bytes, by: Signer, folder: Path, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The signature file over another statement, and signed: by somebody who may sign, and writes nonsense."""
    from edgewise_runtime.trust import oms

    changed = tampered(bundle, change)
    document = json.loads(changed)
    payload = base64.b64decode(document["dsseEnvelope"]["payload"])
    signature = by.key(folder).sign(oms.pae(payload))
    document["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    return json.dumps(document).encode()
