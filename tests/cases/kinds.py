"""Objects that are accepted and objects that are refused, a sentence each: one table for pydantic and the API server.

A refused object differs from an accepted one at one `path`; the refusal must say `says`: the path itself, unless a Rule
speaks, or the enclosing list or map does.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

from edgewise.api.base import Model
from edgewise.api.deviceprofile import DeviceProfile
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.edgemodel import EdgeModel
from tests.cases.manifests import (
    CONDITION,
    DEPLOYMENT_STATUS,
    FULL_DEPLOYMENT,
    FULL_MODEL,
    FULL_PROFILE,
    MEASUREMENT,
    MODEL_STATUS,
    NMS,
    PROFILE_STATUS,
    SHA,
    SMALL_DEPLOYMENT,
    SMALL_MODEL,
    SMALL_PROFILE,
    TEXT_BOXES,
    VARIANT,
    Manifest,
)

MODELS: dict[str, type[Model]] = {kind.__name__: kind for kind in (DeviceProfile, EdgeModel, EdgeDeployment)}
ABSENT = object()


@dataclass(frozen=True)
class Accepted:
    sentence: str
    manifest: Manifest


@dataclass(frozen=True)
class Refused:
    sentence: str
    manifest: Manifest
    path: str
    value: Any
    says: str


def changed(manifest: Manifest, path: str, value: Any) -> Manifest:
    """A copy of `manifest` with `value` at `path`, such as `spec.variants[0].name`; ABSENT takes the member away."""
    manifest = copy.deepcopy(manifest)
    *parents, last = steps(path)
    inner: Any = manifest
    for step in parents:
        inner = inner[step] if isinstance(step, int) else inner.setdefault(step, {})
    if value is ABSENT:
        del inner[last]
    else:
        inner[last] = value
    return manifest


def steps(path: str) -> list[str | int]:
    """`spec.variants[0].limits[cpu]` -> ["spec", "variants", 0, "limits", "cpu"]."""
    found = re.findall(r"\[(\d+)\]|\[([^\]]+)\]|([^.\[\]]+)", path)
    return [int(index) if index else key or name for index, key, name in found]


def accepted(sentence: str, base: Manifest, path: str = "", value: Any = None) -> Accepted:
    return Accepted(sentence, changed(base, path, value) if path else base)


def refused(sentence: str, base: Manifest, path: str, value: Any, says: str = "") -> Refused:
    return Refused(sentence, changed(base, path, value), path, value, says or path)


PROFILE, MODEL, DEPLOYMENT = FULL_PROFILE, FULL_MODEL, FULL_DEPLOYMENT
REQUIREMENT = "spec.nodeSelectorTerms[0].matchExpressions[0]"
VALUES_RULE = "In and NotIn need values, Exists and DoesNotExist take none, Gt and Lt take one integer"
ONE_OF_TARGET = "set exactly one of url, deploymentRef"
ONE_OF_WAVE = "set exactly one of nodes, percent, selector"
PRE, POST = "spec.processing.pre", "spec.processing.post"
DECODE: Manifest = {"decodeImage": {}}
RESIZE: Manifest = {"resize": {"width": 28, "height": 28}}
NORMALISE: Manifest = {"normalise": {}}
TENSOR: Manifest = {"toTensor": {}}
ONE_OF_PRE = "set exactly one of decodeImage, resize, crop, pad, normalise, toTensor"
ONE_OF_POST = "set exactly one of softmax, sigmoid, topK, nms, textBoxes, ctcDecode"
PRE_RULE = "pre must begin with decodeImage and end with normalise, if any, and toTensor"
POST_RULE = "post may hold one of topK, nms, textBoxes and ctcDecode, as its last step"
ONE_OF_TEST = "set exactly one of source, inline"


def _requirement(operator: str, *values: str) -> Manifest:
    return {"key": "edgewise.dev/device", "operator": operator, "values": list(values)}


def _many(count: int, **member: Any) -> list[Manifest]:
    return [{"name": f"n{index}", **member} for index in range(count)]


ACCEPTED = (
    accepted("the smallest profile", SMALL_PROFILE),
    accepted("a profile with every field", FULL_PROFILE),
    accepted("NotIn with values", SMALL_PROFILE, REQUIREMENT, _requirement("NotIn", "coral-usb", "")),
    accepted("DoesNotExist without values", SMALL_PROFILE, REQUIREMENT, _requirement("DoesNotExist")),
    accepted("Lt with one integer", SMALL_PROFILE, REQUIREMENT, _requirement("Lt", "8")),
    accepted("a profile name of 40 characters", SMALL_PROFILE, "metadata.name", "p" * 40),
    accepted("an empty image means the default one", SMALL_PROFILE, "spec.runtime.image", ""),
    accepted("an empty hardware entry", SMALL_PROFILE, "spec.hardware", {}),
    accepted("a quantity may be an integer", SMALL_PROFILE, "spec.pod.resources", {"limits": {"cpu": 4}}),
    accepted("a toleration of everything", SMALL_PROFILE, "spec.pod.tolerations", [{"operator": "Exists"}]),
    accepted("the smallest model", SMALL_MODEL),
    accepted("a model with every field", FULL_MODEL),
    accepted("a model name of 52 characters", SMALL_MODEL, "metadata.name", "1" + "m" * 51),
    accepted("a self test written inline", SMALL_MODEL, "spec.selfTest", {"inline": "aGVsbG8="}),
    accepted("verification that is not required needs no keys", SMALL_MODEL, "spec.verification", {}),
    accepted("confidence of None", SMALL_MODEL, "spec.confidence", {"output": "scores", "method": "None"}),
    accepted("a date with an offset", SMALL_MODEL, "spec.verification.notAfter", "2028-02-29T12:00:00+05:30"),
    accepted("pictures in, nothing more", SMALL_MODEL, "spec.processing", {"pre": [DECODE, TENSOR]}),
    accepted("pictures normalised", SMALL_MODEL, "spec.processing", {"pre": [DECODE, RESIZE, NORMALISE, TENSOR]}),
    accepted("probabilities out", SMALL_MODEL, "spec.processing", {"post": [{"sigmoid": {}}]}),
    accepted("boxes out, by the defaults", SMALL_MODEL, "spec.processing", {"post": [{"nms": {}}]}),
    accepted("boxes out, with every option", SMALL_MODEL, "spec.processing", {"post": [{"sigmoid": {}}, {"nms": NMS}]}),
    accepted("where text stands", SMALL_MODEL, "spec.processing", {"post": [{"textBoxes": TEXT_BOXES}]}),
    accepted(
        "text out",
        SMALL_MODEL,
        "spec.processing",
        {
            "post": [{"sigmoid": {"output": "y"}}, {"ctcDecode": {"output": "y", "space": True}}],
            "labelsFrom": "character",
        },
    ),
    accepted("an empty processing", SMALL_MODEL, "spec.processing", {}),
    accepted("a pipeline of one step", DEPLOYMENT, "spec.pipeline", [{"name": "find", "model": "digits"}]),
    accepted("the smallest deployment", SMALL_DEPLOYMENT),
    accepted("a deployment with every field", FULL_DEPLOYMENT),
    accepted("a deployment name of 52 characters", SMALL_DEPLOYMENT, "metadata.name", "d" * 52),
    accepted(
        "a token without TLS", SMALL_DEPLOYMENT, "spec.serving", {"auth": {"tokenSecretRef": {"name": "clients"}}}
    ),
    accepted(
        "TLS for everybody", SMALL_DEPLOYMENT, "spec.serving", {"auth": {"certificateSecretRef": {"name": "tls"}}}
    ),
    accepted("a rate without a burst", SMALL_DEPLOYMENT, "spec.serving", {"rateLimit": {"requestsPerSecond": 5}}),
    accepted("gRPC with a path", DEPLOYMENT, "spec.escalation.targets[1].url", "grpcs://triton.example:8001"),
    accepted("gates of defaults", SMALL_DEPLOYMENT, "spec.rollout.gates", {}),
    accepted("a rollout that is only paused", SMALL_DEPLOYMENT, "spec.rollout", {"paused": True}),
    accepted("an empty selector is still a selector", SMALL_DEPLOYMENT, "spec.rollout.waves", [{"selector": {}}]),
    accepted("zero replicas", SMALL_DEPLOYMENT, "spec.placement", {"mode": "Replicas", "replicas": 0}),
    accepted("a spool of defaults", DEPLOYMENT, "spec.escalation.spool", {}),
)

REFUSED_PROFILES = (
    refused("a name of 41 characters", PROFILE, "metadata.name", "p" * 41, "no dot and at most 40 characters"),
    refused("a name with a dot", PROFILE, "metadata.name", "jetson.orin", "no dot and at most 40 characters"),
    refused("a spec that is missing", PROFILE, "spec", ABSENT, "spec: "),
    refused("In without values", PROFILE, REQUIREMENT, _requirement("In"), VALUES_RULE),
    refused("NotIn without values", PROFILE, REQUIREMENT, _requirement("NotIn"), VALUES_RULE),
    refused("Exists with values", PROFILE, REQUIREMENT, _requirement("Exists", "x"), VALUES_RULE),
    refused("DoesNotExist with values", PROFILE, REQUIREMENT, _requirement("DoesNotExist", "x"), VALUES_RULE),
    refused("Gt with two values", PROFILE, REQUIREMENT, _requirement("Gt", "1", "2"), VALUES_RULE),
    refused("Lt with a word", PROFILE, REQUIREMENT, _requirement("Lt", "many"), VALUES_RULE),
    refused("an operator that does not exist", PROFILE, f"{REQUIREMENT}.operator", "Matches"),
    refused("a label key with a space", PROFILE, f"{REQUIREMENT}.key", "nvidia gpu"),
    refused("a label value with a slash", PROFILE, f"{REQUIREMENT}.values[0]", "a/b"),
    refused("a key that is missing", PROFILE, f"{REQUIREMENT}.key", ABSENT),
    refused("no terms", PROFILE, "spec.nodeSelectorTerms", []),
    refused("a term without expressions", PROFILE, "spec.nodeSelectorTerms[0].matchExpressions", []),
    refused("no builds", PROFILE, "spec.variants", []),
    refused("a format that does not exist", PROFILE, "spec.variants[0].format", "Onnx"),
    refused("a precision that does not exist", PROFILE, "spec.variants[0].precision", "FP8"),
    refused("a priority below 0", PROFILE, "spec.priority", -1),
    refused("a priority above 100000", PROFILE, "spec.priority", 100_001),
    refused("a priority in words", PROFILE, "spec.priority", "high"),
    refused("an engine that does not exist", PROFILE, "spec.runtime.engine", "TensorRT"),
    refused("an image with a space", PROFILE, "spec.runtime.image", "my image"),
    refused("nine providers", PROFILE, "spec.runtime.providers", ["CPUExecutionProvider"] * 9),
    refused("a provider of 254 characters", PROFILE, "spec.runtime.providers[0]", "x" * 254),
    refused("an option's name of 254 characters", PROFILE, "spec.runtime.options", {"x" * 254: "1"}),
    refused("33 options", PROFILE, "spec.runtime.options", {f"o{index}": "1" for index in range(33)}),
    refused("a truth that is a word", PROFILE, "spec.runtime.exclusive", "perhaps"),
    refused("a batch of 0", PROFILE, "spec.limits.maxBatchSize", 0),
    refused("a quantity with an unknown unit", PROFILE, "spec.limits.modelMemory", "4GB"),
    refused("a negative quantity", PROFILE, "spec.limits.acceleratorMemory", "-8Mi"),
    refused("a runtime class in capitals", PROFILE, "spec.pod.runtimeClassName", "NVIDIA"),
    refused("a resource that is no quantity", PROFILE, "spec.pod.resources.limits[cpu]", "two",
            "spec.pod.resources.limits"),
    refused("a negative resource", PROFILE, "spec.pod.resources.limits[cpu]", -1, "spec.pod.resources.limits"),
    refused("a resource name with a space", PROFILE, "spec.pod.resources.limits", {"my gpu": 1}),
    refused("a device path that is relative", PROFILE, "spec.pod.devices[0].path", "dev/apex_0"),
    refused("the same device twice", PROFILE, "spec.pod.devices", [{"path": "/dev/a"}] * 2, "Duplicate value"),
    refused("a group below 0", PROFILE, "spec.pod.supplementalGroups[0]", -1),
    refused("a toleration's operator that does not exist", PROFILE, "spec.pod.tolerations[0].operator", "In"),
    refused("a toleration's effect that does not exist", PROFILE, "spec.pod.tolerations[0].effect", "Never"),
    refused("a variable's name with a dash", PROFILE, "spec.pod.env[0].name", "LD-PATH"),
    refused("a volume's name in capitals", PROFILE, "spec.pod.volumes[0].name", "Tegra"),
    refused("watts that are no number", PROFILE, "spec.hardware.watts.min", "15W"),
    refused("a latency without a unit", PROFILE, "spec.hardware.benchmarks[0].latency", "2"),
    refused("a condition's type in small letters", PROFILE, "status", {"conditions": [{**CONDITION, "type": "ready"}]},
            "status.conditions[0].type"),
    refused("a condition's status that does not exist", PROFILE, "status",
            {"conditions": [{**CONDITION, "status": "Maybe"}]}, "status.conditions[0].status"),
    refused("a condition's reason in words", PROFILE, "status",
            {"conditions": [{**CONDITION, "reason": "not yet"}]}, "status.conditions[0].reason"),
    refused("a condition twice", PROFILE, "status", {"conditions": [CONDITION] * 2}, "Duplicate value"),
    refused("a generation below -1", PROFILE, "status", {"observedGeneration": -2}, "status.observedGeneration"),
)  # fmt: skip

REFUSED_MODELS = (
    refused("a name of 53 characters", MODEL, "metadata.name", "m" * 53, "no dot and at most 52 characters"),
    refused("a name with a dot", MODEL, "metadata.name", "digits.v2", "no dot and at most 52 characters"),
    refused("a version of two parts", MODEL, "spec.version", "2.1"),
    refused("a version with a leading v", MODEL, "spec.version", "v2.1.0"),
    refused("a task that does not exist", MODEL, "spec.task", "Translation"),
    refused("a description of 1025 characters", MODEL, "spec.description", "x" * 1025),
    refused("a confidence method that does not exist", MODEL, "spec.confidence.method", "Softmax"),
    refused("a temperature of 0", MODEL, "spec.confidence.temperature", "0.00", "temperature must be above 0"),
    refused("a temperature that is no number", MODEL, "spec.confidence.temperature", "warm"),
    refused("confidence of no output", MODEL, "spec.confidence.output", ABSENT),
    refused("a step that does nothing", MODEL, f"{PRE}[1]", {}, ONE_OF_PRE),
    refused("a step that does two things", MODEL, f"{PRE}[1].crop", {"width": 1, "height": 1}, ONE_OF_PRE),
    refused("a step after the model that does nothing", MODEL, f"{POST}[0]", {}, ONE_OF_POST),
    refused("17 steps", MODEL, PRE, [{"decodeImage": {}}] * 17),
    refused("five steps after the model", MODEL, POST, [{"softmax": {}}] * 5),
    refused("pictures that are never decoded", MODEL, PRE, [RESIZE, TENSOR], PRE_RULE),
    refused("pictures that become no tensor", MODEL, PRE, [DECODE, RESIZE], PRE_RULE),
    refused("pictures decoded twice", MODEL, PRE, [DECODE, DECODE, TENSOR], PRE_RULE),
    refused("two tensors", MODEL, PRE, [DECODE, TENSOR, TENSOR], PRE_RULE),
    refused("a tensor alone", MODEL, PRE, [TENSOR], PRE_RULE),
    refused("pixels normalised before they are resized", MODEL, PRE, [DECODE, NORMALISE, RESIZE, TENSOR], PRE_RULE),
    refused("pixels normalised twice", MODEL, PRE, [DECODE, NORMALISE, NORMALISE, TENSOR], PRE_RULE),
    refused("a picture of no width", MODEL, f"{PRE}[1].resize.width", 0),
    refused("a picture of 4097 pixels", MODEL, f"{PRE}[1].resize.height", 4097),
    refused("a fit that does not exist", MODEL, f"{PRE}[1].resize.fit", "Fill"),
    refused("a colour that does not exist", MODEL, f"{PRE}[0].decodeImage.colour", "CMYK"),
    refused("a picture of 67108865 pixels", MODEL, f"{PRE}[0].decodeImage.maxPixels", 67_108_865),
    refused("a fill of 256", MODEL, f"{PRE}[2].pad.fill", 256),
    refused("four channels", MODEL, f"{PRE}[4].normalise.mean", ["0.5"] * 4),
    refused("a division by 0", MODEL, f"{PRE}[4].normalise.std", ["0.0"], "scale and std must be above 0"),
    refused("a scale of 0", MODEL, f"{PRE}[4].normalise.scale", "0", "scale and std must be above 0"),
    refused("0 classes", MODEL, f"{POST}[1].topK.k", 0),
    refused("two answers", MODEL, POST, [{"topK": {}}, {"topK": {}}], POST_RULE),
    refused("a softmax after the answer", MODEL, POST, [{"topK": {}}, {"softmax": {}}], POST_RULE),
    refused("labels from two places", MODEL, "spec.processing.labelsFrom", "names",
            "set labels or labelsFrom, not both"),
    refused("text without an alphabet", MODEL, "spec.processing", {"post": [{"ctcDecode": {}}]},
            "ctcDecode needs labels or labelsFrom"),
    refused("a filter that does not exist", MODEL, f"{PRE}[1].resize.filter", "Lanczos"),
    refused("an alignment that does not exist", MODEL, f"{PRE}[2].pad.align", "End"),
    refused("a layout that does not exist", MODEL, f"{PRE}[5].toTensor.layout", "NCHW"),
    refused("boxes neither in rows nor in columns", MODEL, POST, [{"nms": {"layout": "Flat"}}],
            f"{POST}[0].nms.layout"),
    refused("boxes of other coordinates", MODEL, POST, [{"nms": {"coordinates": "Polar"}}],
            f"{POST}[0].nms.coordinates"),
    refused("scores of another sort", MODEL, POST, [{"nms": {"scoring": "Sum"}}], f"{POST}[0].nms.scoring"),
    refused("boxes in millimetres", MODEL, POST, [{"nms": {"unit": "Millimetres"}}], f"{POST}[0].nms.unit"),
    refused("2049 labels", MODEL, "spec.processing.labels", ["x"] * 2049),
    refused("a self test from nowhere", MODEL, "spec.selfTest", {"tolerance": "0.1"}, ONE_OF_TEST),
    refused("a self test from two places", MODEL, "spec.selfTest.inline", "aGVsbG8=", ONE_OF_TEST),
    refused("an inline self test of 65537 characters", MODEL, "spec.selfTest", {"inline": "x" * 65_537},
            "spec.selfTest.inline"),
    refused("an accuracy above 1", MODEL, "spec.selfTest.minAccuracy", "1.5"),
    refused("no builds", MODEL, "spec.variants", []),
    refused("17 builds", MODEL, "spec.variants", [{**VARIANT, "name": f"v{index}"} for index in range(17)]),
    refused("two builds of one name", MODEL, "spec.variants", [VARIANT, VARIANT], "Duplicate value"),
    refused("a build's name in capitals", MODEL, "spec.variants[0].name", "INT8"),
    refused("a build without a source", MODEL, "spec.variants[0].source", ABSENT),
    refused("a source without a scheme", MODEL, "spec.variants[0].source.uri", "models.example/digits.onnx"),
    refused("a source by ftp", MODEL, "spec.variants[0].source.uri", "ftp://models.example/digits.onnx"),
    refused("a hash that is too short", MODEL, "spec.variants[0].source.sha256", SHA[:-1]),
    refused("a hash in capitals", MODEL, "spec.variants[0].source.sha256", SHA.upper()),
    refused("a size below 0", MODEL, "spec.variants[0].source.size", -1),
    refused("a web server that is told to go without TLS", MODEL, "spec.variants[0].source",
            {"uri": "https://e.example/d", "sha256": SHA, "plainHTTP": True}, "plainHTTP is for oci:// sources"),
    refused("a secret's name with a slash", MODEL, "spec.variants[0].source.secretRef.name", "a/b"),
    refused("a secret's key with a space", MODEL, "spec.variants[0].source.caSecretRef.key", "ca crt"),
    refused("two patches from one file", MODEL, "spec.variants[0].deltas",
            [{"fromSha256": SHA, "uri": "https://e.example/d", "sha256": SHA}] * 2, "Duplicate value"),
    refused("required verification without keys", MODEL, "spec.verification", {"required": True},
            "required needs at least one of publicKeys"),
    refused("a date without a time", MODEL, "spec.verification.notAfter", "2027-01-01"),
    refused("a date that is not in the calendar", MODEL, "spec.verification.notAfter", "2027-02-29T00:00:00Z"),
    refused("a history of 0", MODEL, "spec.revisionHistoryLimit", 0),
    refused("a history of 51", MODEL, "spec.revisionHistoryLimit", 51),
    refused("a revision of 254 characters", MODEL, "status", {"revision": "x" * 254}, "status.revision"),
)  # fmt: skip

ONE_OF_AUTH = "set tokenSecretRef, certificateSecretRef, or both"
STEPS = "spec.pipeline"
FROM_RULE = "pipeline[].from must be request or an earlier step"
NAME_RULE = "start with a letter, have no dot and at most 52 characters"
REFUSED_DEPLOYMENTS = (
    refused("a name of 53 characters", DEPLOYMENT, "metadata.name", "d" * 53, NAME_RULE),
    refused("a name with a dot", DEPLOYMENT, "metadata.name", "digits.v2", NAME_RULE),
    refused("a name that starts with a digit", DEPLOYMENT, "metadata.name", "2digits", NAME_RULE),
    refused("no models", DEPLOYMENT, "spec.models", []),
    refused("nine models", DEPLOYMENT, "spec.models", _many(9)),
    refused("one model twice", DEPLOYMENT, "spec.models", [{"name": "digits"}] * 2, "Duplicate value"),
    refused("a model's name with a dot", DEPLOYMENT, "spec.models[0].name", "digits.v2"),
    refused("a pipeline of nine steps", DEPLOYMENT, "spec.pipeline", _many(9, model="digits")),
    refused("two steps of one name", DEPLOYMENT, f"{STEPS}[1].name", "find", "pipeline[].name must be unique"),
    refused("a step called request", DEPLOYMENT, f"{STEPS}[0].name", "request", "name must not be `request`"),
    refused("a step without a model", DEPLOYMENT, f"{STEPS}[0].model", ABSENT, "set exactly one of model, track"),
    refused("a step of a model that is not there", DEPLOYMENT, f"{STEPS}[0].model", "cats",
            "pipeline[].model must be one of spec.models"),
    refused("a step from nowhere", DEPLOYMENT, f"{STEPS}[1].from", "seek", FROM_RULE),
    refused("a step from itself", DEPLOYMENT, f"{STEPS}[1].from", "orient", FROM_RULE),
    refused("a step from a later one", DEPLOYMENT, f"{STEPS}[1].from", "read", FROM_RULE),
    refused("a crop out of the request", DEPLOYMENT, f"{STEPS}[1].from", "request",
            "crop, turn, when and track need an earlier step in from"),
    refused("a step that follows the request", DEPLOYMENT, f"{STEPS}[0]", {"name": "find", "track": {}},
            "crop, turn, when and track need an earlier step in from"),
    refused("a step that is a model and follows boxes", DEPLOYMENT, f"{STEPS}[3].model", "ocr",
            "set exactly one of model, track"),
    refused("a step that follows some boxes", DEPLOYMENT, f"{STEPS}[3].when", {}, "goes without crop, turn and when"),
    refused("a step from one that follows", DEPLOYMENT, f"{STEPS}[4].from", "follow",
            "from must not be a step that tracks"),
    refused("a patience without a unit", DEPLOYMENT, f"{STEPS}[3].track.patience", "1"),
    refused("a crop that is turned before it is cut", DEPLOYMENT, f"{STEPS}[1].turn", {}, "it goes without crop"),
    refused("a score in percent", DEPLOYMENT, f"{STEPS}[1].when.minScore", "50%"),
    refused("a pipeline named as one of its models", DEPLOYMENT, "metadata.name", "ocr",
            "none of spec.models may have that name"),
    refused("a mode that does not exist", DEPLOYMENT, "spec.placement.mode", "Everywhere"),
    refused("replicas below 0", DEPLOYMENT, "spec.placement.replicas", -1),
    refused("a selector's key with a space", DEPLOYMENT, "spec.placement.nodeSelector", {"my zone": "lab"}),
    refused("a selector's value with a space", DEPLOYMENT, "spec.placement.nodeSelector[zone]", "my lab",
            "spec.placement.nodeSelector"),
    refused("a profile twice", DEPLOYMENT, "spec.placement.profiles", ["coral-usb", "coral-usb"], "Duplicate value"),
    refused("an accuracy in percent", DEPLOYMENT, "spec.requirements.minAccuracy", "95%"),
    refused("a latency without a unit", DEPLOYMENT, "spec.requirements.maxLatency", "20"),
    refused("batching that does not exist", DEPLOYMENT, "spec.serving.batching", "On"),
    refused("a queue of 0", DEPLOYMENT, "spec.serving.maxQueue", 0),
    refused("a distribution that does not exist", DEPLOYMENT, "spec.serving.trafficDistribution", "Local"),
    refused("a port above 65535", DEPLOYMENT, "spec.serving.hostPort", 65_536),
    refused("a cache that does not exist", DEPLOYMENT, "spec.serving.cache.type", "Memory"),
    refused("a cache at a relative path", DEPLOYMENT, "spec.serving.cache.path", "var/lib"),
    refused("a switch that does not exist", DEPLOYMENT, "spec.serving.switch", "Slowly"),
    refused("access that demands nothing", DEPLOYMENT, "spec.serving.auth", {}, ONE_OF_AUTH),
    refused("client certificates without TLS", DEPLOYMENT, "spec.serving.auth",
            {"tokenSecretRef": {"name": "clients"}, "clientCASecretRef": {"name": "ca", "key": "ca.crt"}},
            "clientCASecretRef needs certificateSecretRef"),
    refused("a CA without its key", DEPLOYMENT, "spec.serving.auth.clientCASecretRef", {"name": "ca"},
            "spec.serving.auth.clientCASecretRef.key"),
    refused("no request a second", DEPLOYMENT, "spec.serving.rateLimit.requestsPerSecond", 0),
    refused("a burst of none", DEPLOYMENT, "spec.serving.rateLimit.burst", 0),
    refused("a burst without a rate", DEPLOYMENT, "spec.serving.rateLimit", {"burst": 10},
            "spec.serving.rateLimit.requestsPerSecond"),
    refused("half a request a second", DEPLOYMENT, "spec.serving.rateLimit.requestsPerSecond", 0.5),
    refused("escalation to nobody", DEPLOYMENT, "spec.escalation.targets", []),
    refused("five targets", DEPLOYMENT, "spec.escalation.targets", _many(5, url="http://t.example")),
    refused("two targets of one name", DEPLOYMENT, "spec.escalation.targets",
            [{"name": "cloud", "url": "http://a.example"}, {"name": "cloud", "url": "http://b.example"}],
            "targets[].name must be unique"),
    refused("a target without an address", DEPLOYMENT, "spec.escalation.targets[1]", {"name": "cloud"}, ONE_OF_TARGET),
    refused("a target with two addresses", DEPLOYMENT, "spec.escalation.targets[0].url", "http://a.example",
            ONE_OF_TARGET),
    refused("a target by ftp", DEPLOYMENT, "spec.escalation.targets[1].url", "ftp://triton.example"),
    refused("a password in a URL", DEPLOYMENT, "spec.escalation.targets[1].url", "https://me:secret@triton.example"),
    refused("confidence above 1", DEPLOYMENT, "spec.escalation.when.confidenceBelow", "1.01"),
    refused("a timeout without a unit", DEPLOYMENT, "spec.escalation.timeout", "150"),
    refused("a ratio below 0", DEPLOYMENT, "spec.escalation.budget.ratio", "-0.1"),
    refused("privacy that does not exist", DEPLOYMENT, "spec.escalation.privacy", "Sometimes"),
    refused("a wave of nothing", DEPLOYMENT, "spec.rollout.waves[0]", {}, ONE_OF_WAVE),
    refused("a wave of two kinds", DEPLOYMENT, "spec.rollout.waves[0]", {"nodes": 1, "percent": 1}, ONE_OF_WAVE),
    refused("a wave of no node", DEPLOYMENT, "spec.rollout.waves[0].nodes", 0),
    refused("a wave of 101 percent", DEPLOYMENT, "spec.rollout.waves[1].percent", 101),
    refused("too few that does not exist", DEPLOYMENT, "spec.rollout.gates.onTooFew", "Wait"),
    refused("a query twice", DEPLOYMENT, "spec.rollout.gates.query", [{"name": "q", "promql": "up", "max": "1"}] * 2,
            "Duplicate value"),
    refused("failures without a percent sign", DEPLOYMENT, "spec.rollout.gates.maxFailed", "5"),
    refused("unavailability above 100 %", DEPLOYMENT, "spec.rollout.maxUnavailable", "101%"),
    refused("a float for a decimal", DEPLOYMENT, "spec.rollout.gates.latencyRatio", 1.25),
    refused("a profile's image with a space", DEPLOYMENT, "status", {"images": {"coral-usb": "my image"}},
            "status.images"),
    refused("a measured file by less than its first digits", DEPLOYMENT, "status",
            {"profiles": [{"name": "cpu", "measured": [{**MEASUREMENT, "sha256": "0123"}]}]},
            "status.profiles[0].measured[0].sha256"),
    refused("a latency without its unit", DEPLOYMENT, "status",
            {"profiles": [{"name": "cpu", "measured": [{**MEASUREMENT, "latency": "2.4"}]}]},
            "status.profiles[0].measured[0].latency"),
    refused("an image of no profile", DEPLOYMENT, "status", {"images": {"Coral": "image"}}, "status.images"),
    refused("eleven unplaced nodes", DEPLOYMENT, "status",
            {"unplaced": [{"node": f"n{index}", "reason": "x"} for index in range(11)]}, "status.unplaced"),
    refused("a release rejected twice", DEPLOYMENT, "status", {"release": {"rejected": ["a", "a"]}}, "Duplicate value"),
)  # fmt: skip

REFUSED = (*REFUSED_PROFILES, *REFUSED_MODELS, *REFUSED_DEPLOYMENTS)

STATUSES = (
    (SMALL_PROFILE, PROFILE_STATUS),
    (SMALL_MODEL, MODEL_STATUS),
    (SMALL_DEPLOYMENT, DEPLOYMENT_STATUS),
)
"""Per kind the smallest object, and a status that sets every field."""

FULL = ((FULL_PROFILE, PROFILE_STATUS), (FULL_MODEL, MODEL_STATUS), (FULL_DEPLOYMENT, DEPLOYMENT_STATUS))
"""Per kind an object and a status that set every field."""
