"""DeviceProfile: a class of hardware, how to find it, what runs on it, what its pods need."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgewise.api.base import (
    Count,
    Decimal,
    DnsLabel,
    DnsName,
    Duration,
    Image,
    LabelKey,
    LabelValue,
    Metadata,
    Model,
    Path,
    Quantity,
    ResourceRequirements,
    Rule,
    SecretRef,
    Status,
    Text,
    Toleration,
    Word,
    atomic,
    list_map,
)

Engine = Literal["ONNXRuntime", "LiteRT", "OpenVINO"]
Format = Literal["ONNX", "TFLite", "EdgeTPU", "OpenVINOIR"]
Precision = Literal["FP32", "FP16", "BF16", "INT8"]
Operator = Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]


class NodeRequirement(Model):
    """One expression over a node's labels, as in a Pod's node affinity."""

    key: LabelKey
    operator: Operator
    values: Annotated[list[LabelValue], atomic(64)] = Field(default_factory=list)

    rules = (
        Rule(
            "In and NotIn need values, Exists and DoesNotExist take none, Gt and Lt take one integer",
            "self.operator in ['In', 'NotIn'] ? self.values.size() > 0 : self.operator in ['Exists', 'DoesNotExist'] ? "
            "self.values.size() == 0 : self.values.size() == 1 && self.values[0].matches('^[0-9]+$')",
            lambda self: {
                "In": len(self.values) > 0,
                "NotIn": len(self.values) > 0,
                "Exists": not self.values,
                "DoesNotExist": not self.values,
            }.get(self.operator, len(self.values) == 1 and self.values[0].isdecimal()),
        ),
    )


class NodeSelectorTerm(Model):
    """Expressions that must all hold."""

    match_expressions: Annotated[list[NodeRequirement], atomic(16), Field(min_length=1)]


class ProfileRuntime(Model):
    """What runs the model on such a device."""

    engine: Engine = "ONNXRuntime"
    """ONNXRuntime, LiteRT or OpenVINO."""
    image: Image = ""
    """Runtime image; empty: the operator's default for this engine and platform."""
    providers: Annotated[list[Word], atomic(8)] = Field(default_factory=list)
    """In order of liking: ONNX Runtime's execution providers; OpenVINO's devices (GPU, NPU, CPU); for LiteRT EdgeTPU,
    CPU or the path of a delegate library in the image. The runtime reports which one it really got."""
    options: Annotated[dict[Word, Word], Field(max_length=32)] = Field(default_factory=dict)
    """Options of the first provider, as the engine names them; for ONNX Runtime also `trt_*`, `session.*` and
    `<provider>.<option>`; for LiteRT also `session.tensors: FP32`, which shows quantised tensors as real numbers."""
    require_accelerator: bool = False
    """What happens where the accelerator is missing, or goes away while it serves (unplugged Coral, failed driver).
    false: the CPU serves, and the status says so; true: the model does not load, and requests are refused meanwhile."""
    exclusive: bool = False
    """true (Edge TPU): one runtime pod per node may hold the accelerator. Not acted on in v0.1."""
    platform: Word = ""
    """Picks the image where one engine needs several (jetpack-6, jetpack-7, coral). Empty: cpu, openvino for
    OpenVINO, coral for LiteRT."""


class BuildKind(Model):
    """A kind of build this hardware can run."""

    format: Format
    precision: Precision


class ProfileLimits(Model):
    """What a model may ask of one such device."""

    max_batch_size: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Rows that requests may share a run for, at most; devices measure how many of them pay. Absent: 32."""
    model_memory: Quantity | None = None
    """Memory that models may use on one device; a variant whose `memory` is above it does not fit."""
    accelerator_memory: Quantity | None = None
    """On-chip memory (8Mi on an Edge TPU); a larger model runs, more slowly, and the status says so."""


class DevicePath(Model):
    """A device file or folder of the node, same path in the pod; forbidden by the restricted Pod Security Standard."""

    path: Path


class EnvVar(Model):
    """A plain environment variable of the runtime container."""

    name: Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    value: Text = ""


class HostVolume(Model):
    """A folder of the node (driver libraries, say), read-only; forbidden by the restricted Pod Security Standard."""

    name: DnsLabel
    host_path: Path
    mount_path: Path


class ProfilePod(Model):
    """What the runtime pod needs beside the model."""

    runtime_class_name: DnsName | None = None
    """As in a Pod; `nvidia` on Jetson with K3s."""
    resources: ResourceRequirements | None = None
    """Added to the container's resources: extended resources of a device plugin go here."""
    devices: Annotated[list[DevicePath], list_map("path", limit=8)] = Field(default_factory=list)
    """Device files; needs a namespace that allows hostPath."""
    supplemental_groups: Annotated[list[Count], atomic(8)] = Field(default_factory=list)
    """Group ids that may open the devices (render, video, plugdev)."""
    tolerations: Annotated[list[Toleration], atomic(16)] = Field(default_factory=list)
    image_pull_secrets: Annotated[list[SecretRef], list_map("name", limit=8)] = Field(default_factory=list)
    env: Annotated[list[EnvVar], list_map("name", limit=32)] = Field(default_factory=list)
    volumes: Annotated[list[HostVolume], list_map("name", limit=8)] = Field(default_factory=list)


class Watts(Model):
    """Power draw in watts."""

    min: Decimal
    max: Decimal


class Benchmark(Model):
    """One published or measured figure, with its source."""

    model: Word
    precision: Precision
    latency: Duration | None = None
    frames_per_second: Decimal | None = None
    watts: Decimal | None = None
    accuracy: Decimal | None = None
    source: Word


class Hardware(Model):
    """The catalogue entry: what people compare. Read by people, not by the matcher."""

    accelerator: Word = ""
    cores: Count | None = None
    memory: Quantity | None = None
    storage: Quantity | None = None
    watts: Watts | None = None
    price_usd: Annotated[Count | None, Field(alias="priceUSD")] = None
    benchmarks: Annotated[list[Benchmark], list_map("model", "precision", "source", limit=32)] = Field(
        default_factory=list
    )


class DeviceProfileSpec(Model):
    """A class of hardware: which nodes belong to it, and what they can run."""

    priority: Annotated[int, Field(ge=0, le=100_000)] = 0
    """The better of two matching profiles wins; ties by name."""
    node_selector_terms: Annotated[list[NodeSelectorTerm], atomic(16), Field(min_length=1)]
    """A node belongs to the class when any one term holds."""
    runtime: ProfileRuntime = ProfileRuntime()
    variants: Annotated[list[BuildKind], atomic(16), Field(min_length=1)]
    """Builds this hardware runs, in order of liking."""
    limits: ProfileLimits = ProfileLimits()
    pod: ProfilePod = ProfilePod()
    hardware: Hardware = Hardware()


class DeviceProfileStatus(Status):
    """How many nodes belong to the class now."""

    nodes: Count | None = None
    """Nodes that carry this profile's label."""


class DeviceProfile(Model):
    """A class of hardware: how to find such nodes, which builds they run, what a runtime pod on them needs."""

    metadata: Metadata
    spec: DeviceProfileSpec
    status: DeviceProfileStatus = DeviceProfileStatus()

    rules = (
        Rule(
            "metadata.name must have no dot and at most 40 characters: node labels and pods are named after it",
            "self.metadata.name.size() <= 40 && !self.metadata.name.contains('.')",
            lambda self: len(self.metadata.name) <= 40 and "." not in self.metadata.name,
        ),
    )
