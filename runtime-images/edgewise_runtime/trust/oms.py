"""OpenSSF Model Signing, version 1.0: what a signature file holds, and how its parts hang together. Pure.

A sigstore bundle holds a DSSE envelope, that an in-toto statement, and that a digest for each signed file:
https://github.com/ossf/model-signing-spec. Read by judging.py, written by cli/packaging/signing.py.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, model_validator

from edgewise.api.base import Model

# Nothing below has a default that the format has not: what is missing in a signature must not be made up.
MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
STATEMENT_TYPE: Literal["https://in-toto.io/Statement/v1"] = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Literal["https://model_signing/signature/v1.0"] = "https://model_signing/signature/v1.0"
PAYLOAD_TYPE: Literal["application/vnd.in-toto+json"] = "application/vnd.in-toto+json"

_BUNDLES = r"^application/vnd\.dev\.sigstore\.bundle(\.v0\.3\+json|\+json;version=0\.[123])$"
_CLIMBING = frozenset({"", ".", ".."})


class NotSignedError(ValueError):
    """The bytes are no signature of this format; the message says why."""


def _decoded(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"no base64: {error}") from error


Encoded = Annotated[
    bytes, BeforeValidator(_decoded), PlainSerializer(lambda value: base64.b64encode(value).decode(), when_used="json")
]


class KeyHint(Model):
    """Which key signed, as far as the signer says; what decides is which key fits."""

    hint: str | None = None
    """sha256 of the public key as PEM, in hex. Older signatures have none."""


class Material(Model):
    """What the signer offers to check the signature with: one of three ways to sign."""

    public_key: KeyHint | None = None
    x509_certificate_chain: dict[str, Any] | None = None
    certificate: dict[str, Any] | None = None
    """A certificate for ten minutes, worth something only with the logs of sigstore: keyless."""
    tlog_entries: list[dict[str, Any]] = Field(default_factory=list)

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Material:
        kinds = (self.public_key, self.x509_certificate_chain, self.certificate)
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("one of publicKey, x509CertificateChain and certificate is needed")
        if self.certificate is not None and not self.tlog_entries:
            raise ValueError("certificate needs tlogEntries")
        return self


class EnvelopeSignature(Model):
    """One signature over the payload. `keyid` decides nothing here."""

    sig: Encoded
    keyid: str | None = ""


class Envelope(Model):
    """DSSE: the bytes that were signed, and their type."""

    payload: Encoded
    payload_type: Literal["application/vnd.in-toto+json"]
    signatures: Annotated[list[EnvelopeSignature], Field(min_length=1, max_length=1)]


class Bundle(Model):
    """A signature file."""

    media_type: Annotated[str, Field(pattern=_BUNDLES)]
    verification_material: Material
    dsse_envelope: Envelope

    @property
    def signature(self) -> bytes:
        return self.dsse_envelope.signatures[0].sig

    @property
    def signed(self) -> bytes:
        """The bytes that the signature is over."""
        return pae(self.dsse_envelope.payload)


class _SnakeCase(Model):
    """This part of the format writes its names so."""

    model_config = ConfigDict(alias_generator=None)


class Resource(_SnakeCase):
    """A signed file, or a stretch of one."""

    name: Annotated[str, Field(min_length=1)]
    """Path below the signed folder; `path:start:end` where the method is shards."""
    algorithm: str
    digest: Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$")]


class Serialization(_SnakeCase):
    """How the files were read."""

    method: Literal["files", "shards"]
    hash_type: str
    shard_size: Annotated[int, Field(gt=0)] | None = None
    """Bytes; with shards only."""
    allow_symlinks: bool
    ignore_paths: list[str] = Field(default_factory=list)
    """What lay beside the files, and is not signed."""

    @property
    def algorithms(self) -> frozenset[str]:
        """How resources may write hash_type; the second is how model-signing 1.1 does, against the specification."""
        return frozenset({self.hash_type, f"{self.hash_type}-sharded-{self.shard_size}"})

    @model_validator(mode="after")
    def _has_a_size_for_shards(self) -> Serialization:
        if (self.method == "shards") != (self.shard_size is not None):
            raise ValueError("shard_size goes with the method shards, and only with it")
        return self


class Predicate(_SnakeCase):
    """The list of files."""

    resources: Annotated[list[Resource], Field(min_length=1)]
    serialization: Serialization

    @model_validator(mode="after")
    def _lists_files_once_and_within(self) -> Predicate:
        names = [resource.name for resource in self.resources]
        if len(set(names)) < len(names):
            raise ValueError("a file is listed twice")
        if climbing := next((name for name in names if not _within(name)), None):
            raise ValueError(f"{climbing} is no path below the signed folder")
        if not {resource.algorithm for resource in self.resources} <= self.serialization.algorithms:
            raise ValueError("the files' algorithm is not serialization.hash_type")
        return self


class Subject(Model):
    """The model as a whole."""

    name: Annotated[str, Field(min_length=1)]
    """Of the signed folder; it decides nothing."""
    digest: dict[str, str]


class Statement(Model):
    """What was signed."""

    kind: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")]
    subject: Annotated[list[Subject], Field(min_length=1, max_length=1)]
    predicate_type: Literal["https://model_signing/signature/v1.0"]
    predicate: Predicate

    @model_validator(mode="after")
    def _holds_together(self) -> Statement:
        if self.subject[0].digest.get("sha256") != root(self.predicate.resources):
            raise ValueError("the digest of the subject is not that of the files")
        return self


def _within(name: str) -> bool:
    """`.` alone is how older tools write a model of one file."""
    return name == "." or not _CLIMBING & set(name.split("/"))


def read_bundle(content: bytes) -> Bundle:
    """NotSignedError where it is none. Nothing in it is to be believed yet."""
    try:
        return Bundle.model_validate_json(content)
    except ValidationError as error:
        raise NotSignedError(f"the signature file is no OpenSSF model signature ({_why(error)})") from error


def read_statement(bundle: Bundle) -> Statement:
    """What the bundle's signature is over. NotSignedError where that is not the list of a model's files."""
    try:
        return Statement.model_validate_json(bundle.dsse_envelope.payload)
    except ValidationError as error:
        raise NotSignedError(f"what was signed is no list of a model's files ({_why(error)})") from error


def pae(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def root(resources: Iterable[Resource]) -> str:
    """Digest of the model as a whole: sha256 of the files' digests, in their order."""
    return hashlib.sha256(b"".join(bytes.fromhex(resource.digest) for resource in resources)).hexdigest()


def _why(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]
