"""Which runtime image each profile of a deployment runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edgewise.api.deviceprofile import DeviceProfile
from edgewise.core.observed import ObservedDeployment, Settings


@dataclass(frozen=True)
class Images:
    """Profile -> image; a profile without one cannot run."""

    used: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Those of `used` that nobody chose. They are put on record, so that upgrading the operator changes none of them;
    a chosen image is not, so that taking the choice back has an effect."""


def images(observed: ObservedDeployment, profiles: Iterable[DeviceProfile]) -> Images:
    recorded, settings = observed.deployment.status.images or {}, observed.settings
    running = {workload.profile: workload.image for workload in observed.workloads}
    used, defaults = dict[str, str](), dict[str, str]()
    for profile in profiles:
        name = profile.metadata.name
        chosen = observed.deployment.spec.serving.image or _chosen(profile, settings)
        default = "" if chosen else recorded.get(name) or settings.default_images.get(flavour(profile), "")
        used[name], defaults[name] = chosen or default or running.get(name, ""), default
    return Images(_present(used), _present(defaults))


def flavour(profile: DeviceProfile) -> str:
    """Which runtime image a profile needs, as the operator's settings name them."""
    runtime = profile.spec.runtime
    if runtime.platform:
        return runtime.platform.replace("jetpack-", "jetson-")
    return {"ONNXRuntime": "cpu", "OpenVINO": "openvino", "LiteRT": "coral"}[runtime.engine]


def _chosen(profile: DeviceProfile, settings: Settings) -> str:
    return profile.spec.runtime.image or settings.images.get(flavour(profile), "")


def _present(found: Mapping[str, str]) -> dict[str, str]:
    return {name: image for name, image in found.items() if image}
