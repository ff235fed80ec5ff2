"""EdgeModel: one logical model in several builds, with what is needed to fetch, check and understand them."""

from __future__ import annotations

from typing import Annotated, Literal

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
    SignedDecimal,
    Status,
    Text,
    Timestamp,
    Uri,
    Word,
    atomic,
    exactly_one,
    list_map,
)
from edgewise.api.deviceprofile import Format, Precision
from edgewise.api.processing import Processing

Task = Literal["Classification", "Detection", "Segmentation", "Regression", "Anomaly", "Embedding", "Other"]
Method = Literal["SoftmaxMax", "Margin", "Entropy", "Score", "None"]


class Confidence(Model):
    """How sure the model is, read from one of its outputs. Used by escalation and by rollout gates."""

    output: Word = ""
    """Name of the output tensor, shape [batch, classes] or [batch]. Empty: the only one with real numbers; of a
    Detection model, the one called score or scores."""
    method: Method | None = None
    """SoftmaxMax, Margin and Entropy take class scores (logits or probabilities), Score the best value of a row; None:
    nobody can tell. Unset: SoftmaxMax; with a threshold, and for Detection, Anomaly, Regression, Embedding: Score."""
    temperature: Decimal = "1.0"
    """Divides the logits before softmax; above 1 makes an over-confident model more modest."""
    threshold: SignedDecimal | None = None
    """Score only: where normal ends and anomaly, or object, begins. The answer is then as sure as its score lies far
    from it, 1 / (1 + exp(-|score - threshold| / temperature)), from 0.5 up; else the score itself says how sure."""

    rules = (
        Rule(
            "temperature must be above 0",
            "self.temperature.matches('[1-9]')",
            lambda self: any(digit in "123456789" for digit in self.temperature),
        ),
        Rule(
            "threshold is for method Score",
            "!has(self.threshold) || !has(self.method) || self.method == 'Score'",
            lambda self: self.threshold is None or self.method in (None, "Score"),
        ),
    )


def measured_by(task: Task, given: Confidence | None) -> Confidence | None:
    """`given` with its method; where a model says nothing, what its task is read by. None: nobody can tell how sure an
    answer is, so that help is for overload and unavailability only."""
    if given is None:
        usual = _BY_ITSELF.get(task)
        return None if usual is None else Confidence(method=usual)
    method = given.method or ("Score" if given.threshold is not None else _USUAL[task])
    return None if method == "None" else given.model_copy(update={"method": method})


_BY_ITSELF: dict[Task, Method] = {"Classification": "SoftmaxMax", "Detection": "Score"}
_USUAL: dict[Task, Method] = {
    "Classification": "SoftmaxMax",
    "Detection": "Score",
    "Segmentation": "SoftmaxMax",
    "Regression": "Score",
    "Anomaly": "Score",
    "Embedding": "Score",
    "Other": "SoftmaxMax",
}


class SelfTest(Model):
    """Golden inputs and outputs, run on the device before a switch. Not acted on in v0.1."""

    source: Uri | None = None
    inline: Annotated[str, Field(max_length=65536)] | None = None
    sha256: Sha256 | None = None
    tolerance: Decimal = "0.001"
    min_accuracy: Fraction | None = None

    rules = (exactly_one("source", "inline"),)


class Source(Model):
    """Where the bytes are. Changing it is no new version; changing sha256 is."""

    uri: Uri
    """https, http, oci (an ORAS artifact); s3, gs, az, pvc and file are not acted on in v0.1."""
    sha256: Sha256
    """Of the file as it is loaded. Nothing else is ever loaded."""
    size: Bytes | None = None
    """Bytes; a longer body is cut off and refused."""
    mirrors: Annotated[list[Uri], atomic(8)] = Field(default_factory=list)
    """Tried in order after uri."""
    secret_ref: SecretRef | None = None
    """Credentials: keys `username` and `password`, or `token`."""
    ca_secret_ref: SecretKeyRef | None = None
    """CA bundle (PEM) for a private server."""
    plain_http: Annotated[bool, Field(alias="plainHTTP")] = False
    """oci only: the registry has no TLS. The sha256 still guards the bytes; credentials would travel in the clear."""

    rules = (
        Rule(
            "plainHTTP is for oci:// sources; other schemes say it themselves",
            "!self.plainHTTP || self.uri.startsWith('oci://')",
            lambda self: not self.plain_http or self.uri.startswith("oci://"),
        ),
    )


class Delta(Model):
    """A patch from an earlier file to this one. Not acted on in v0.1."""

    from_sha256: Sha256
    uri: Uri
    sha256: Sha256


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


class PublicKey(Model):
    """A key that may have signed the model."""

    secret_ref: SecretKeyRef


class Verification(Model):
    """Signatures (OpenSSF Model Signing). v0.1 refuses to serve a model that requires them, rather than ignore it."""

    required: bool = False
    public_keys: Annotated[list[PublicKey], atomic(8)] = Field(default_factory=list)
    min_version: SemVer | None = None
    not_after: Timestamp | None = None

    rules = (
        Rule(
            "required needs at least one of publicKeys",
            "!self.required || self.publicKeys.size() > 0",
            lambda self: not self.required or len(self.public_keys) > 0,
        ),
    )


class Encryption(Model):
    """AES-256-GCM. v0.1 refuses to serve an encrypted model, rather than ignore it."""

    key_secret_ref: SecretKeyRef


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
    variants: Annotated[list[Variant], list_map("name", limit=16), Field(min_length=1)]
    """The same model built for different hardware; the operator picks one for each DeviceProfile."""
    verification: Verification | None = None
    encryption: Encryption | None = None
    revision_history_limit: Annotated[int, Field(ge=1, le=50)] = 10
    """Old revisions kept as ControllerRevisions."""

    rules = (
        Rule(
            "the confidence of an Anomaly model needs threshold, the score from which on it is one",
            "self.task != 'Anomaly' || !has(self.confidence) || has(self.confidence.threshold)"
            " || (has(self.confidence.method) && self.confidence.method != 'Score')",
            lambda self: not _lacks_threshold(self),
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
