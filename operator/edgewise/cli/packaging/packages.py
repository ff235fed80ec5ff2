"""A package as a whole: its files in a folder, pushed where that is wanted, and the EdgeModel's fields about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from edgewise.cli.packaging.builds import Build, File, PackagingError
from edgewise.cli.packaging.copies import Packed, Progress, pack
from edgewise.cli.packaging.manifests import Fields, Uri, variants
from edgewise.cli.packaging.protection import Protection
from edgewise.cli.packaging.registry import push

_SCHEMES = ("https://", "http://", "s3://", "pvc://", "file://")


@dataclass(frozen=True)
class Place:
    """Where the files go: a registry, or a folder that will be found at `url`."""

    to: str = ""
    """oci://HOST/REPOSITORY:TAG."""
    out: Path | None = None
    url: str = ""
    plain_http: bool = False

    def checked(self) -> Place:
        """PackagingError where that is no place, or two."""
        if bool(self.to) == (self.out is not None):
            raise PackagingError("say where the files go: --to oci://HOST/REPOSITORY:TAG, or --out FOLDER --url URL")
        if self.to and not self.to.startswith("oci://"):
            raise PackagingError(f"{self.to} is no registry; write it as oci://HOST/REPOSITORY:TAG")
        if self.out is not None and not self.url.startswith(_SCHEMES):
            raise PackagingError("say where devices will find the folder: --url https://HOST/PATH")
        if self.out is not None and self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
            raise PackagingError(f"{self.out} is not empty: name a folder that is new")
        return self

    def uri(self) -> Uri:
        """Of each file."""
        if self.to:
            return lambda title: f"{self.to}#{title}"
        return lambda title: f"{self.url.rstrip('/')}/{title}"


@dataclass(frozen=True)
class Wish:
    """What to package."""

    builds: Sequence[Build]
    previous: Sequence[File]
    place: Place
    protection: Protection = field(default_factory=Protection)
    version: str = ""
    ask: Callable[[], str] = input
    """For the password of a private key."""


@dataclass(frozen=True)
class Package:
    """What became of it."""

    packed: Sequence[Packed]
    spec: Fields
    """Of the EdgeModel."""
    digest: str = ""
    """Of the artifact in the registry."""


def package(wish: Wish, progress: Progress) -> Package:
    """PackagingError where it cannot be made, or not be put there."""
    place, protection = wish.place, wish.protection
    with TemporaryDirectory(prefix="edgewise-package-") as temporary:
        folder = place.out or Path(temporary)
        try:
            packed = _packed(wish, folder, progress)
            _lay_out(packed, folder)
            protection.signed([each.build for each in packed], folder, wish.ask)
        except OSError as error:
            raise PackagingError(f"cannot write into {folder}: {error.strerror}") from error
        digest = push(folder, place.to, place.plain_http, progress) if place.to else ""
        spec: Fields = {"version": wish.version} if wish.version else {}
        spec |= {"variants": variants(packed, place.uri()), **protection.fields(folder, place.uri())}
    return Package(packed, spec, digest)


def _packed(wish: Wish, folder: Path, progress: Progress) -> list[Packed]:
    """Ciphertexts neither shrink nor resemble each other: of those there are no copies."""
    if wish.protection.encrypt is not None:
        return [Packed(build) for build in wish.protection.sealed(wish.builds, folder)]
    return [pack(build, wish.previous, progress) for build in wish.builds]


def _lay_out(packed: Sequence[Packed], folder: Path) -> None:
    for each in packed:
        _write(folder / each.build.file.name, each.build.file.content)
        for made in (*each.deltas, *([each.compressed] if each.compressed else [])):
            _write(folder / made.title, made.content)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
