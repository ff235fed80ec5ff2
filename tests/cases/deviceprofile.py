"""DeviceProfiles that are accepted and that are refused."""

from __future__ import annotations

from tests.cases.case import ABSENT, accepted, refused
from tests.cases.manifests import FULL_PROFILE as PROFILE
from tests.cases.manifests import SMALL_PROFILE, Manifest
from tests.cases.statuses import CONDITION

REQUIREMENT = "spec.nodeSelectorTerms[0].matchExpressions[0]"
VALUES_RULE = "In and NotIn need values, Exists and DoesNotExist take none, Gt and Lt take one integer"


def _requirement(operator: str, *values: str) -> Manifest:
    return {"key": "edgewise.dev/device", "operator": operator, "values": list(values)}


ACCEPTED = (
    accepted("the smallest profile", SMALL_PROFILE),
    accepted("a profile with every field", PROFILE),
    accepted("NotIn with values", SMALL_PROFILE, REQUIREMENT, _requirement("NotIn", "coral-usb", "")),
    accepted("DoesNotExist without values", SMALL_PROFILE, REQUIREMENT, _requirement("DoesNotExist")),
    accepted("Lt with one integer", SMALL_PROFILE, REQUIREMENT, _requirement("Lt", "8")),
    accepted("a profile name of 40 characters", SMALL_PROFILE, "metadata.name", "p" * 40),
    accepted("an empty image means the default one", SMALL_PROFILE, "spec.runtime.image", ""),
    accepted("an empty hardware entry", SMALL_PROFILE, "spec.hardware", {}),
    accepted("a quantity may be an integer", SMALL_PROFILE, "spec.pod.resources", {"limits": {"cpu": 4}}),
    accepted("a toleration of everything", SMALL_PROFILE, "spec.pod.tolerations", [{"operator": "Exists"}]),
)  # fmt: skip

REFUSED = (
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
