"""Every name other people can see or depend on: group, labels, annotations, ports, reasons.

Reasons are part of the API.
"""

from __future__ import annotations

import hashlib

GROUP = "edgewise.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

FIELD_MANAGER = "edgewise"
CATALOGUE_MANAGER = "edgewise-catalogue"
FINALIZER = f"{GROUP}/finalizer"

# Node labels.
PROFILE_PREFIX = f"profile.{GROUP}/"  # one per matching DeviceProfile; guarded by an admission policy
HOLD_PREFIX = f"hold.{GROUP}/"  # one per deployment that the node stays with its old profile for; guarded likewise
DEVICE_LABEL = f"{GROUP}/device"  # set by people: this node is such a device

# Labels and annotations of children.
MANAGED_BY = "app.kubernetes.io/managed-by"
DEPLOYMENT_LABEL = f"{GROUP}/deployment"
PROFILE_LABEL = f"{GROUP}/profile"
ROLE_LABEL = f"{GROUP}/role"  # runtime | gateway | pull | release | revision | plan | service
RUNTIME_ROLE = "runtime"  # a device's pod, and what makes it
GATEWAY_ROLE = "gateway"  # answers for the devices while none of them is ready
PULL_ROLE = "pull"  # has an image brought to nodes before a device's pod is replaced for it
TEMPLATE_ANNOTATION = f"{GROUP}/template"  # hash of the pod template a pod was made from
PROVEN_ANNOTATION = f"{GROUP}/proven-template"  # of a workload: what its last good pod template was made from
PULL_LABEL = f"{GROUP}/pull"  # of what pulls an image: for which profile, and which image
IMAGE_ANNOTATION = f"{GROUP}/image"  # of what pulls one: which
MEMORY_ANNOTATION = f"{GROUP}/model-memory"  # of a workload: bytes of models its pods were made for
POKE_ANNOTATION = f"{GROUP}/poke"
GAVE_BACK_ANNOTATION = f"{GROUP}/gave-back"  # of a gateway's pods: when devices last took the Service over from it

REPORT_AUDIENCE = "edgewise-operator"
HTTP_PORT = 8000
GRPC_PORT = 8001
METRICS_PORT = 8002
REPORT_PORT = 9443

# Condition types (kstatus).
READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"


class Reason:
    """Why a condition says what it says."""

    # Ready=True
    SERVING = "Serving"
    ACCEPTED = "Accepted"
    NO_NODES_YET = "NoNodesYet"
    FIELDS_NOT_ACTED_ON = "FieldsNotActedOn"  # serving; the message names fields this version takes but does not act on
    TARGET_NOT_READY = "TargetNotReady"  # serving, but not asking a target: a Secret of it is missing on a device
    # Ready=False, Reconciling=True: edgewise is at work
    STARTING = "Starting"
    ROLLING_OUT = "RollingOut"
    PAUSED = "Paused"
    DELETING = "Deleting"
    REPORTS_UNAVAILABLE = "ReportsUnavailable"  # of a rollout, as are the following: what its wave waits for
    LISTENING = "Listening"  # the operator has just started
    WAITING_FOR_DEVICES = "WaitingForDevices"
    IMAGE_NOT_PULLED = "ImageNotPulled"  # its pods wait for it; those that are to be replaced serve on
    DEVICES_SILENT = "DevicesSilent"
    DEVICES_LOST = "DevicesLost"  # all devices of a wave went away; Stalled where that happens again and again
    SOAKING = "Soaking"
    TOO_FEW_REQUESTS = "TooFewRequests"  # Stalled after gates.deadline
    QUERY_UNANSWERED = "QueryUnanswered"  # of gates.query; likewise
    QUERY_ABOVE_MAX = "QueryAboveMax"  # once or twice; the third time speaks against the release
    # Stalled=True: a person must act
    INVALID_SPEC = "InvalidSpec"
    NOT_SUPPORTED = "NotSupported"  # a device cannot do what the model asks of it: its engine, a format, a type
    NOT_ALLOWED = "NotAllowed"
    MODEL_NOT_FOUND = "ModelNotFound"
    MODEL_GONE = "ModelGone"
    MODEL_INVALID = "ModelInvalid"
    PROFILE_INVALID = "ProfileInvalid"
    RELEASE_NOT_FOUND = "ReleaseNotFound"
    NO_MATCHING_PROFILE = "NoMatchingProfile"
    NO_MATCHING_NODE = "NoMatchingNode"
    NO_FITTING_BUILD = "NoFittingBuild"
    INSUFFICIENT_MEMORY = "InsufficientMemory"
    PODS_REFUSED = "PodsRefused"
    NO_PROMETHEUS = "NoPrometheus"  # gates.query, and the administrator gave the operator nobody to ask
    QUERY_INVALID = "QueryInvalid"  # Prometheus does not understand it
    TARGET_NOT_FOUND = "TargetNotFound"  # an escalation target's deploymentRef
    TARGET_CYCLE = "TargetCycle"
    TARGET_GUARDED = "TargetGuarded"  # it demands of its clients what this deployment has not
    NAME_CONFLICT = "NameConflict"
    MOVE_FAILED = "MoveFailed"  # a node does not serve from its new profile, and is back with the old one
    RELEASE_REJECTED = "ReleaseRejected"  # a gate failed, and the fleet is back on the stable release
    PODS_REJECTED = "PodsRejected"  # likewise, of a changed pod template
    RETURN_FAILED = "ReturnFailed"  # likewise, and devices cannot serve the stable release again
    TOO_MANY_FAILED = "TooManyFailed"  # the gates; a condition bears them where rollbackOnFailure is false
    ERROR_RATE = "ErrorRate"
    LATENCY_RATIO = "LatencyRatio"
    CONFIDENCE_SHIFT = "ConfidenceShift"
    # Reported by runtimes
    SOURCE_UNREACHABLE = "SourceUnreachable"
    SOURCE_REFUSED = "SourceRefused"
    HASH_MISMATCH = "HashMismatch"
    LOAD_FAILED = "LoadFailed"
    KEEPS_FAILING = "KeepsFailing"  # it failed on half of what it was asked; the release before serves again
    SELF_TEST_FAILED = "SelfTestFailed"
    CRASH_LOOP = "CrashLoop"  # the process died soon after it began to serve the release
    WINDOW_CLOSED = "WindowClosed"  # everything is there; the switch waits for rollout.window
    HELD = "Held"  # likewise, for somebody at the device
    KEY_MISSING = "KeyMissing"  # no key, or not the one that the model was encrypted with, is on the device
    DECRYPTION_FAILED = "DecryptionFailed"  # changed, cut off, or another model, version or variant than it should be
    SIGNATURE_INVALID = "SignatureInvalid"  # none, or not of this model, version and file by somebody who may sign
    PUBLIC_KEY_MISSING = "PublicKeyMissing"  # no key is on the device that signatures could be checked with
    VERSION_TOO_OLD = "VersionTooOld"  # below verification.minVersion
    SIGNATURE_EXPIRED = "SignatureExpired"
    CLOCK_UNTRUSTED = "ClockUntrusted"  # an expiry counts, and the device does not know what time it is
    DISK_FULL = "DiskFull"
    ACCELERATOR_MISSING = "AcceleratorMissing"
    ACCELERATOR_LOST = "AcceleratorLost"  # it went away while it served; the state says whether the CPU took over
    ACCESS_NOT_READY = "AccessNotReady"  # tokens or certificates of serving.auth are missing: nobody is admitted
    # Events: who answers at the Service
    GATEWAY_TOOK_OVER = "GatewayTookOver"
    GATEWAY_GAVE_BACK = "GatewayGaveBack"
    # Nodes that hold no pod
    NO_BUILD_IN_TARGET = "NoBuildInTarget"
    DEVICE_BUSY = "DeviceBusy"
    UNSCHEDULABLE = "Unschedulable"


def short_hash(text: str, length: int = 10) -> str:
    """Stable across processes and machines; lower-case hex, so it fits a label and a name."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def child_name(owner: str, role: str, limit: int = 63) -> str:
    """`<owner>-<role>`, with the tail replaced by a hash where it would not fit into `limit`."""
    name = f"{owner}-{role}"
    return name if len(name) <= limit else f"{name[: limit - 11].rstrip('-.')}-{short_hash(name)}"


def profile_label(profile: str) -> str:
    return PROFILE_PREFIX + profile


def hold_label(deployment_uid: str) -> str:
    """Its value names the profile that keeps the node, whatever better one there is."""
    return HOLD_PREFIX + short_hash(deployment_uid)
