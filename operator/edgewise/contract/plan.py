"""The plan: what every device of one EdgeDeployment shall do, with or without the operator.

One document per EdgeDeployment. The operator writes it into a ConfigMap (mounted by the pods: the way to start, and to
live offline) and hands it out in the reply to a report (the quick way). A device keeps the highest (deployment uid,
sequence) it has seen and ignores lower ones.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgewise.api.access import RateLimit
from edgewise.api.base import Model, SecretKeyRef, SecretRef
from edgewise.api.confidence import Confidence, Task
from edgewise.api.deviceprofile import Engine, Format, Precision
from edgewise.api.edgemodel import Delta, Encryption, SelfTest, SmallFile, Source
from edgewise.api.escalation import Budget, EscalationWhen, SinkUrl, Tls
from edgewise.api.pipeline import PipelineStep
from edgewise.api.processing import Processing
from edgewise.contract.trust import Policy

PLAN_KEY = "plan.json"  # of the ConfigMap, and the file's name below PLAN_FOLDER
PLAN_FOLDER = "/etc/edgewise/plan"
SECRETS_FOLDER = "/etc/edgewise/secrets"  # <folder>/<secret name>/<key>, mounted optional
CACHE_FOLDER = "/var/cache/edgewise"
HOLD_FILE = "/etc/edgewise/hold/hold"  # of a volume that a DeviceProfile may mount there
FILES_FOLDER = "/mnt/edgewise/files"  # what file:// sources name, read only
CLAIMS_FOLDER = "/mnt/edgewise/claims"  # <folder>/<claim name>: what pvc:// sources name, read only
TOKEN_FILE = "/var/run/secrets/edgewise/token"  # noqa: S105  projected, audience REPORT_AUDIENCE


class DeploymentRef(Model):
    """The EdgeDeployment a document speaks of."""

    namespace: str
    name: str
    uid: str


class Build(Model):
    """One hardware build of a model: an EdgeModel variant as the device needs it."""

    variant: str
    format: Format
    precision: Precision
    source: Source
    memory: int
    """Bytes."""
    deltas: list[Delta] = Field(default_factory=list)
    """Ways to the file at source from earlier ones, which this device may or may not have."""


class PlanVerification(Model):
    """What a model must show, as the operator sees it today, and the two small files that are to show it."""

    policy: Policy
    signature: SmallFile | None = None
    manifest: SmallFile | None = None
    """edgewise.json; absent, as signature may be, where a release from before there were any is still at hand."""


class ReleaseModel(Model):
    """One model of a release, with all builds that some profile of the plan uses."""

    name: str
    version: str
    task: Task
    confidence: Confidence | None = None
    processing: Processing | None = None
    self_test: SelfTest | None = None
    """Run before the release is switched to."""
    verification: PlanVerification | None = None
    """Absent: this plan demands no signature of it. The pod may all the same."""
    encryption: Encryption | None = None
    """Of all builds. Names a Secret, never its content: <SECRETS_FOLDER>/<secret>/<key>."""
    builds: list[Build]


class PlanRelease(Model):
    """A full snapshot: enough to serve it when the EdgeModels are gone."""

    name: str
    models: list[ReleaseModel]
    pipeline: list[PipelineStep] = Field(default_factory=list)
    """Of those models; served under the deployment's name."""


class ProfilePlan(Model):
    """What pods of one DeviceProfile run: the engine, and the chosen variant per release and model."""

    engine: Engine
    providers: list[str] = Field(default_factory=list)
    options: dict[str, str] = Field(default_factory=dict)
    require_accelerator: bool = False
    max_batch_size: int | None = None
    """Rows worth computing at once; absent: the device finds out."""
    variants: dict[str, dict[str, str]]
    """{release: {model: variant}}. Of an absent release no build fits here: the device keeps what it serves."""


class Switch(Model):
    """Which nodes may serve the target release; all others keep, or take, another one."""

    all: bool = True
    nodes: list[str] = Field(default_factory=list)
    wave: int | None = None
    """Number of the rollout's newest wave, from 1; absent: there are none. Told for the operator's own memory."""
    template: str | None = None
    """Name of the changed pods that go by the same waves; absent: none do. Likewise."""
    keep: dict[str, list[str]] | None = None
    """{release: nodes}: what nodes serve until it is their turn, because they got it before the target changed; all
    others the stable release. Those releases are in the plan, too."""

    def kept(self, node: str) -> str | None:
        return next((release for release, nodes in (self.keep or {}).items() if node in nodes), None)


class PlanWindow(Model):
    """When devices may switch to another release. What cannot be read here keeps a device from switching, and from
    nothing else: it may know fewer time zones than the operator."""

    schedule: str
    """Cron, five fields: when it opens."""
    duration_seconds: float
    time_zone: str = "Etc/UTC"
    """From the IANA database."""


class PlanTarget(Model):
    """Somebody to ask for help, resolved."""

    name: str
    url: str
    """Open Inference Protocol base URL, such as http://triton.cloud.svc:8000 or grpcs://triton.example."""
    model: str = ""
    """Model name there; empty: the same."""
    timeout_seconds: float | None = None
    """Longest wait for this one; absent: as long as all together may take."""
    compress: bool = False
    tls: Tls | None = None
    """Names Secrets, never their contents: those are files, <SECRETS_FOLDER>/<secret>/<key>."""
    credentials_secret_ref: SecretRef | None = None
    """Likewise."""


class PlanSpool(Model):
    """What to keep of hard requests, and where to send it. Its Secrets lie in SECRETS_FOLDER by name."""

    max_bytes: int
    max_age_seconds: float
    sink: SinkUrl | None = None
    sink_secret_ref: SecretRef | None = None
    ca_secret_ref: SecretKeyRef | None = None
    bandwidth: int | None = None
    """Bytes a second; absent: no cap."""


class PlanGateway(Model):
    """How a gateway asks the targets: it has no answer of its own, so it waits longer, and no budget stops it."""

    timeout_seconds: float
    """All targets together."""


class PlanEscalation(Model):
    """When and whom to ask. With `privacy: Never` there is none: the operator honours it, too."""

    targets: list[PlanTarget]
    when: EscalationWhen
    timeout_seconds: float
    budget: Budget
    gateway: PlanGateway | None = None
    """Absent: there is none."""
    spool: PlanSpool | None = None


class PlanServing(Model):
    """How the data plane behaves."""

    max_queue: int = 64
    batching: Literal["Auto", "Off"] = "Auto"
    switch: Literal["Beside", "InPlace"] = "Beside"
    """Whether the old models are still there while the new ones are loaded."""
    max_latency: float | None = None
    """Seconds a model should take at most for one request: devices choose their threads by it. Absent: none asked."""
    cache_limit: int = 2**30
    """Bytes of model files kept on the node."""
    bandwidth: int | None = None
    """Bytes a second for downloads; absent: no cap."""
    rate_limit: RateLimit | None = None
    """Of each client; what clients must show to be admitted comes with the pod, where no plan can loosen it."""


class PlanReporting(Model):
    """Where and how often a device reports. No url: it never does (a laptop, a bare node)."""

    url: str = ""
    ca: str = ""
    """PEM bundle that signs the operator's certificate."""
    interval_seconds: float = 300.0
    during_rollout_seconds: float = 10.0


class Plan(Model):
    """The whole document."""

    contract: Literal[1] = 1
    deployment: DeploymentRef
    sequence: Annotated[int, Field(ge=0)]
    stable: str | None = None
    """Release to serve, and to return to; absent before the first release was promoted."""
    target: str
    """Release to go to; equals stable when nothing is rolling out."""
    releases: list[PlanRelease]
    profiles: dict[str, ProfilePlan]
    switch: Switch = Switch()
    window: PlanWindow | None = None
    """Absent: at any time. A device's first release, and the way back, wait for none."""
    rejected: list[str] = Field(default_factory=list)
    """Releases that nobody shall serve: whoever does leaves them without waiting for anything."""
    retry: str = ""
    """A release that devices shall try again although it failed here."""
    escalation: PlanEscalation | None = None
    serving: PlanServing = PlanServing()
    reporting: PlanReporting = PlanReporting()

    def wanted(self, node: str) -> str:
        """The release this node shall serve."""
        released = self.switch.all or node in self.switch.nodes
        return self.target if released or self.stable is None else self.switch.kept(node) or self.stable
