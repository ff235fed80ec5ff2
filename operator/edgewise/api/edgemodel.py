"""EdgeModel: one logical model in several builds, with what is needed to fetch, check and understand them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgewise.api.base import (
    Bytes,
    Decimal,
    DnsLabel,
    Fraction,
    Metadata,
    Model,
    Quantity,
    Rule,
    SecretKeyRef,
    SecretRef,
    SemVer,
    Sha256,
    Status,
    Text,
    Timestamp,
    Uri,
    Word,
    atomic,
    exactly_one,
    list_map,
)
from edgewise.api.confidence import Confidence, Task, measured_by
from edgewise.api.deviceprofile import Format, Precision
from edgewise.api.processing import Processing


class SelfTest(Model):
    """Golden inputs with their outputs, run on every device through the loaded model and its processing, before that
    serves. Changing it rolls nothing out; a device that had refused the release tries it again."""

    source: Uri | None = None
    """A .npz file with arrays `input.<name>`, `output.<name>` and `label.<output>`; fetched with the credentials of the
    device's build."""
    inline: Annotated[str, Field(max_length=65536)] | None = None
    """JSON: `inputs` as in a request of the Open Inference Protocol, `outputs` as in its answer, `labels` likewise. It
    is part of each plan that devices fetch: for a few numbers."""
    sha256: Sha256 | None = None
    """Of the file at source."""
    tolerance: Decimal = "0.001"
    """An output may differ by so much, and by as much of the golden value: 0.001 + 0.001 * |value|."""
    min_accuracy: Fraction | None = None
    """Share of labels that must be met. A label is the index of a row's highest score; where a row holds texts or class
    numbers, it is the first of them."""

    rules = (exactly_one("source", "inline"),)


class Attachment(Model):
    """A file that belongs to a model. Fetched with the credentials and certificates of the source of the build that a
    device takes."""

    uri: Uri
    sha256: Sha256
    size: Bytes | None = None
    """Bytes."""
    mirrors: Annotated[list[Uri], atomic(8)] = Field(default_factory=list)
    """Tried in order after uri."""


class SmallFile(Attachment):
    """A file by which a device makes up its mind. It is read before anybody is trusted, so its length is fixed."""

    size: Annotated[int, Field(ge=1, le=4_194_304)]
    """Bytes; a longer body is cut off and refused."""


class Copy(Attachment):
    """The same file in fewer bytes, made by `kubectl edgewise package`. sha256 is of what is fetched; what comes out of
    it is compared with that of the full file as well. Devices take the smallest that is of use: give the size."""


class Source(Model):
    """Where the bytes are. Changing it is no new version; changing sha256 is."""

    uri: Uri
    """https://, http://; oci:// (an artifact, as ORAS pushes it); s3://bucket/key; pvc://claim/path, a volume of the
    namespace that devices can mount; file:///path, on each node, below what the administrator opened. gs:// and az://
    are refused: their files are had over https://."""
    sha256: Sha256
    """Of the file as it is loaded. Nothing else is ever loaded."""
    size: Bytes | None = None
    """Bytes; a longer body is cut off and refused."""
    mirrors: Annotated[list[Uri], atomic(8)] = Field(default_factory=list)
    """Tried in order after uri."""
    secret_ref: SecretRef | None = None
    """Credentials: keys `username` and `password`, or `token`; of s3://, as AWS calls them: AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL."""
    ca_secret_ref: SecretKeyRef | None = None
    """CA bundle (PEM) for a private server."""
    plain_http: Annotated[bool, Field(alias="plainHTTP")] = False
    """oci only: the registry has no TLS. The sha256 still guards the bytes; credentials would travel in the clear."""
    compressed: Copy | None = None
    """The file compressed by `kubectl edgewise package`. Devices that cannot use it fetch the full one."""

    rules = (
        Rule(
            "plainHTTP is for oci:// sources; other schemes say it themselves",
            "!self.plainHTTP || self.uri.startsWith('oci://')",
            lambda self: not self.plain_http or self.uri.startswith("oci://"),
        ),
    )


class Delta(Copy):
    """What changed since an earlier file. Taken by devices that still have that one; whatever goes wrong with it, they
    fetch the full file."""

    from_sha256: Sha256
    """The earlier file, as its source.sha256 said."""


class Variant(Model):
    """One hardware build of the model."""

    name: DnsLabel
    format: Format
    """ONNX (one file); TFLite; EdgeTPU (a .tflite compiled for it); OpenVINOIR (a zip of the .xml and the .bin)."""
    precision: Precision
    source: Source
    memory: Quantity = "64Mi"
    """Memory the loaded model needs beside the runtime itself."""
    accuracy: Fraction | None = None
    """Measured on held-out data; compared with an EdgeDeployment's requirements.minAccuracy."""
    deltas: Annotated[list[Delta], list_map("fromSha256", limit=16)] = Field(default_factory=list)
    """From earlier files to the one at source, as `kubectl edgewise package` makes them."""


class PublicKey(Model):
    """A key that may have signed the model."""

    secret_ref: SecretKeyRef
    """One PEM file with one public key or several: EC (P-256, P-384, P-521), Ed25519 or RSA. What is added to the
    Secret, or taken out, counts within two minutes, without a restart."""


class Verification(Model):
    """Whose signature (OpenSSF Model Signing) a version must bear, and which versions are too old.

    A device changes over to nothing else, and goes on serving what it has. All but signature and manifest is part of
    the pods: changing it replaces them in waves. To drop a key replaces none."""

    required: bool = False
    """True: nothing is loaded that none of publicKeys has signed. False: nobody looks at any of this."""
    public_keys: Annotated[list[PublicKey], atomic(8)] = Field(default_factory=list)
    """Any of them will do."""
    min_version: SemVer | None = None
    """No older version is taken, whoever signed it. Raise it when an old one has become dangerous, not each time."""
    not_after: Timestamp | None = None
    """From then on no version is taken. A manifest may have an earlier date of its own."""
    signature: SmallFile | None = None
    """The signature file over all variants and the manifest, as `kubectl edgewise package --sign` or `model_signing
    sign key` writes it. A new one for the same files, by another key, rolls nothing out."""
    manifest: SmallFile | None = None
    """edgewise.json, one of the signed files: it says which model and version the others are."""

    rules = (
        Rule(
            "required needs at least one of publicKeys",
            "!self.required || self.publicKeys.size() > 0",
            lambda self: not self.required or len(self.public_keys) > 0,
        ),
        Rule(
            "required needs signature and manifest; kubectl edgewise package --sign makes both",
            "!self.required || (has(self.signature) && has(self.manifest))",
            lambda self: not self.required or (self.signature is not None and self.manifest is not None),
        ),
    )


class Encryption(Model):
    """How the files of a model are encrypted."""

    key_secret_ref: SecretKeyRef
    """A key of 32 bytes, as it is or in base64; or several in base64, a line each, of which any may fit."""


class EdgeModelSpec(Model):
    """One logical model: its version, its task, and the builds it comes in."""

    version: SemVer
    """Semantic version. Editing it, or a variant's format, precision or sha256, is a new revision."""
    task: Task = "Other"
    description: Text = ""
    confidence: Confidence | None = None
    """Absent: a Classification's only output of real numbers by SoftmaxMax, a Detection's score by Score; of other
    tasks nobody can tell, and they are helped when overloaded or unavailable only."""
    processing: Processing | None = None
    self_test: SelfTest | None = None
    """A release whose golden data do not come out right is not served, on that device."""
    variants: Annotated[list[Variant], list_map("name", limit=16), Field(min_length=1)]
    """The same model built for different hardware; the operator picks one for each DeviceProfile."""
    verification: Verification | None = None
    encryption: Encryption | None = None
    """The files of all variants are encrypted (AES-256-GCM), as `kubectl edgewise package --encrypt` writes them.
    Devices decrypt them into memory at each load, and nowhere else."""
    revision_history_limit: Annotated[int, Field(ge=1, le=50)] = 10
    """Old revisions kept as ControllerRevisions."""

    rules = (
        Rule(
            "the confidence of an Anomaly model needs threshold, the score from which on it is one",
            "self.task != 'Anomaly' || !has(self.confidence) || has(self.confidence.threshold)"
            " || (has(self.confidence.method) && self.confidence.method != 'Score')",
            lambda self: not _lacks_threshold(self),
        ),
        Rule(
            "selfTest.sha256 goes with selfTest.source",
            "!has(self.selfTest) || has(self.selfTest.sha256) == has(self.selfTest.source)",
            lambda self: self.self_test is None or (self.self_test.sha256 is None) == (self.self_test.source is None),
            later=True,
        ),
        Rule(
            "an encrypted model has no deltas and no compressed copies: ciphertexts neither shrink nor resemble others",
            "!has(self.encryption) || self.variants.all(v, v.deltas.size() == 0 && !has(v.source.compressed))",
            lambda self: self.encryption is None or not any(v.deltas or v.source.compressed for v in self.variants),
            later=True,
        ),
    )


def _lacks_threshold(spec: EdgeModelSpec) -> bool:
    measured = measured_by(spec.task, spec.confidence)
    return spec.task == "Anomaly" and measured is not None and measured.method == "Score" and measured.threshold is None


class EdgeModelStatus(Status):
    """The newest accepted revision."""

    revision: Word | None = None
    """Name of the ControllerRevision that holds the newest accepted spec."""


class EdgeModel(Model):
    """One logical model in several hardware builds. Every accepted spec becomes an immutable ControllerRevision."""

    metadata: Metadata
    spec: EdgeModelSpec
    status: EdgeModelStatus = EdgeModelStatus()

    rules = (
        Rule(
            "metadata.name must have no dot and at most 52 characters: it is the model's name in URLs",
            "self.metadata.name.size() <= 52 && !self.metadata.name.contains('.')",
            lambda self: len(self.metadata.name) <= 52 and "." not in self.metadata.name,
        ),
    )
