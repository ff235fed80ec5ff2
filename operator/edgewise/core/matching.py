"""Which nodes belong to a DeviceProfile, and which build of each model fits it. Every "no" comes with its reasons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgewise.api.deviceprofile import DeviceProfile, Engine, Format, NodeRequirement
from edgewise.api.edgedeployment import Requirements
from edgewise.api.edgemodel import EdgeModelSpec, Variant
from edgewise.api.units import binary, in_milliseconds, quantity, seconds

FORMATS: Mapping[Engine, frozenset[Format]] = {
    "ONNXRuntime": frozenset({"ONNX"}),
    "LiteRT": frozenset({"TFLite", "EdgeTPU"}),
    "OpenVINO": frozenset({"OpenVINOIR", "ONNX"}),
}

_OPERATORS: Mapping[str, Callable[[str | None, list[str]], bool]] = {
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,
    "Exists": lambda value, _: value is not None,
    "DoesNotExist": lambda value, _: value is None,
    "Gt": lambda value, values: value is not None and value.isdecimal() and int(value) > int(values[0]),
    "Lt": lambda value, values: value is not None and value.isdecimal() and int(value) < int(values[0]),
}


def holds(operator: str, value: str | None, values: list[str]) -> bool:
    """Whether a label with this value (None: there is no such label) satisfies the operator of a node affinity."""
    return _OPERATORS[operator](value, values)


def _holds(requirement: NodeRequirement, labels: Mapping[str, str]) -> bool:
    return holds(requirement.operator, labels.get(requirement.key), requirement.values)


def belongs(profile: DeviceProfile, labels: Mapping[str, str]) -> bool:
    """Whether a node with these labels is such a device: some term holds in full, as in a Pod's node affinity."""
    return any(
        all(_holds(requirement, labels) for requirement in term.match_expressions)
        for term in profile.spec.node_selector_terms
    )


def rank(profile: DeviceProfile) -> tuple[int, str]:
    """Sorts the best profile first: higher priority, then name."""
    return -profile.spec.priority, profile.metadata.name


@dataclass(frozen=True)
class Fit:
    """Which build of each model a profile runs; or, where one has none, every reason why."""

    profile: str
    variants: Mapping[str, Variant]
    """Model -> chosen build."""
    reasons: tuple[str, ...] = ()
    """Empty when everything fits. Sorted as the EdgeModel lists its variants, so that status text is stable."""

    @property
    def fits(self) -> bool:
        return not self.reasons

    @property
    def memory(self) -> int:
        """Bytes of all chosen builds together."""
        return sum(int(quantity(variant.memory)) for variant in self.variants.values())


LatencyOf = Callable[[str], float | None]
"""sha256 of a build's file -> seconds that such devices take for a request at best; None: nobody has measured it."""


def fit(
    profile: DeviceProfile,
    models: Mapping[str, EdgeModelSpec],
    requirements: Requirements,
    latency_of: LatencyOf = lambda _: None,
) -> Fit:
    """For each model the profile's first liked build that meets the requirements; all together within its memory."""
    chosen: dict[str, Variant] = {}
    reasons: list[str] = []
    for name, model in models.items():
        refused = {
            variant.name: _refusal(profile, variant, requirements)
            or _too_slow(latency_of(variant.source.sha256), requirements)
            for variant in model.variants
        }
        variant, why = _choose(profile, model, refused)
        if variant is None:
            reasons += [f"{name}/{reason}" for reason in why]
        else:
            chosen[name] = variant
    whole = Fit(profile.metadata.name, chosen, tuple(reasons))
    limit = profile.spec.limits.model_memory
    if whole.fits and limit is not None and whole.memory > quantity(limit):
        return Fit(
            whole.profile, chosen, (f"needs {binary(whole.memory)} of memory, such a device gives models {limit}",)
        )
    return whole


def _choose(
    profile: DeviceProfile, model: EdgeModelSpec, refused: Mapping[str, str]
) -> tuple[Variant | None, list[str]]:
    for liked in profile.spec.variants:
        for variant in model.variants:
            if (variant.format, variant.precision) == (liked.format, liked.precision) and not refused[variant.name]:
                return variant, []
    return None, [f"{name}: {reason}" for name, reason in refused.items()]


def _refusal(profile: DeviceProfile, variant: Variant, requirements: Requirements) -> str:
    """Why this build cannot run there, or is not wanted; empty when it can. The order is the order of the argument."""
    engine, limit = profile.spec.runtime.engine, profile.spec.limits.model_memory
    if variant.format not in FORMATS[engine]:
        return f"{engine} does not load {variant.format}"
    if (variant.format, variant.precision) not in {(kind.format, kind.precision) for kind in profile.spec.variants}:
        return f"the profile does not list {variant.format} {variant.precision}"
    if requirements.precisions and variant.precision not in requirements.precisions:
        return f"precision {variant.precision} is not among requirements.precisions"
    if requirements.min_accuracy is not None:
        if variant.accuracy is None:
            return f"states no accuracy, requirements.minAccuracy is {requirements.min_accuracy}"
        if float(variant.accuracy) < float(requirements.min_accuracy):
            return f"accuracy {variant.accuracy} is below requirements.minAccuracy {requirements.min_accuracy}"
    if limit is not None and quantity(variant.memory) > quantity(limit):
        return f"needs {variant.memory} of memory, such a device gives models {limit}"
    return ""


def _too_slow(latency: float | None, requirements: Requirements) -> str:
    if requirements.max_latency is None or latency is None or latency <= seconds(requirements.max_latency):
        return ""
    return f"takes {in_milliseconds(latency)} on such devices, requirements.maxLatency is {requirements.max_latency}"
