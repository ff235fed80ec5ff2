"""edgewise.json: which model, and which version of it, the signed files are. Signed with them, so that nobody can pass
off an old version, a build of another version, or another model as the one that is wanted.

Written by `kubectl edgewise package`, or by hand; read by judging.py once a signature covers it. Pure.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationError

from edgewise.api.base import DnsLabel, Model, SemVer, Timestamp


class NoManifestError(ValueError):
    """The bytes are no edgewise.json; the message says why."""


class Manifest(Model):
    """The document."""

    model: DnsLabel
    """Name of the EdgeModel."""
    version: SemVer
    """Its spec.version."""
    files: Annotated[dict[DnsLabel, str], Field(min_length=1)]
    """{variant: its file, as the signature names it}."""
    issued: Timestamp
    """When it was signed. A device whose clock is before that has no clock to judge notAfter by."""
    not_after: Timestamp | None = None
    """From then on no device changes over to it; those that serve it go on."""

    def text(self) -> bytes:
        """As it is written into the folder that is signed."""
        return (self.model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n").encode()


def read_manifest(content: bytes) -> Manifest:
    """NoManifestError where it is none."""
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise NoManifestError(f"{where}: {first['msg']}") from error
