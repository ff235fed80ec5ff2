"""Encrypts and signs what is packaged, and says what the EdgeModel needs to know of that."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from pydantic import ValidationError

from edgewise.cli.packaging.builds import Build, File, PackagingError
from edgewise.cli.packaging.copies import FOLDER

Fields = dict[str, object]


@dataclass(frozen=True)
class SecretKey:
    """`SECRET/KEY`: where devices find a key."""

    name: str
    key: str

    @classmethod
    def parse(cls, text: str) -> SecretKey | None:
        """None: of an empty text. PackagingError where it is not that."""
        if not text:
            return None
        name, separator, key = text.partition("/")
        if not (name and separator and key):
            raise PackagingError(f"{text!r} names no key of a Secret; write it as SECRET/KEY")
        return cls(name, key)

    def reference(self) -> Fields:
        return {"name": self.name, "key": self.key}


@dataclass(frozen=True)
class Protection:
    """What is to be done, and for which version of which model: a file cannot be passed off as another one's."""

    model: str = ""
    version: str = ""
    encrypt: Path | None = None
    """File of the key."""
    key_secret: SecretKey | None = None
    sign: Path | None = None
    """File of the private key."""
    public_key_secret: SecretKey | None = None
    expires: str | None = None
    """From when on no device changes over to what was signed, such as 2027-01-01T00:00:00Z."""

    def checked(self) -> Protection:
        """PackagingError where something is missing."""
        if (self.encrypt or self.sign) and not (self.model and self.version):
            raise PackagingError(
                "say what is encrypted or signed: --model and --version, or --into a manifest with both"
            )
        if self.encrypt and self.key_secret is None:
            raise PackagingError("say where devices find the key: --key-secret SECRET/KEY")
        return self

    def sealed(self, builds: Sequence[Build], folder: Path) -> list[Build]:
        """The builds, encrypted into `folder` where that is wanted."""
        if self.encrypt is None:
            return list(builds)
        return [Build(build.variant, self._sealed(build, self.encrypt, folder)) for build in builds]

    def _sealed(self, build: Build, key: Path, folder: Path) -> File:
        from edgewise.cli.packaging.sealing import seal
        from edgewise.contract.sealed import Identity

        folder.mkdir(parents=True, exist_ok=True)
        try:
            return File(seal(build.file.path, key, Identity(self.model, self.version, build.variant), folder))
        except (OSError, ValueError) as error:
            raise PackagingError(f"cannot encrypt {build.file.name}: {error}") from error

    def signed(self, builds: Sequence[Build], folder: Path, ask: Callable[[], str]) -> None:
        """Adds who made the files of `folder` and what they are, where that is wanted."""
        if self.sign is None:
            return
        from edgewise.cli.packaging.signing import read_key, sign
        from edgewise_runtime.trust import MANIFEST, SIGNATURE
        from edgewise_runtime.trust.manifest import Manifest

        key = read_key(self.sign, ask)
        issued = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        files = {build.variant: build.file.name for build in builds}
        told = {"model": self.model, "version": self.version, "issued": issued, "not_after": self.expires}
        try:
            manifest = Manifest.model_validate({**told, "files": files})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise PackagingError(f"cannot sign: {first['loc'][0]} {first['input']!r}: {first['msg']}") from error
        (folder / MANIFEST).write_bytes(manifest.text())
        (folder / SIGNATURE).write_bytes(sign(folder, key, self.model, ignore=(FOLDER,)))

    def fields(self, folder: Path, uri: Callable[[str], str]) -> Fields:
        """Of the EdgeModel's spec."""
        found: Fields = {}
        if self.encrypt is not None and self.key_secret is not None:
            found["encryption"] = {"keySecretRef": self.key_secret.reference()}
        if self.sign is not None:
            found["verification"] = self._verification(folder, uri)
        return found

    def _verification(self, folder: Path, uri: Callable[[str], str]) -> Fields:
        from edgewise_runtime.trust import MANIFEST, SIGNATURE

        keys: Fields = {}
        if self.public_key_secret is not None:
            keys = {"required": True, "publicKeys": [{"secretRef": self.public_key_secret.reference()}]}
        files = {"signature": SIGNATURE, "manifest": MANIFEST}
        return keys | {field: _source(folder / name, uri(name)) for field, name in files.items()}


def _source(path: Path, uri: str) -> Fields:
    content = path.read_bytes()
    return {"uri": uri, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
