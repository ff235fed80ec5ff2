"""The packaged DeviceProfiles: every one parses, says where its figures come from, and is found by its plain label."""

from __future__ import annotations

import pytest

from edgewise.api.deviceprofile import DeviceProfile
from edgewise.api.names import DEVICE_LABEL
from edgewise.controller.catalogue import packaged
from edgewise.core.matching import belongs
from edgewise.core.outcome import Manifest

PROFILES = {profile["metadata"]["name"]: profile for profile in packaged()}


def parsed(name: str) -> DeviceProfile:
    return DeviceProfile.model_validate(PROFILES[name])


def test_the_catalogue_is_complete() -> None:
    assert PROFILES.keys() == {
        "jetson-nano", "jetson-xavier-nx", "jetson-agx-orin", "coral-dev-board", "coral-usb", "coral-pcie", "intel-nuc",
        "intel-npu", "raspberry-pi-4", "generic-arm64", "generic-amd64",
    }  # fmt: skip


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_parses_and_says_nothing_that_is_not_a_field(name: str) -> None:
    written = PROFILES[name]["spec"]
    assert _covered(parsed(name).spec.wire(), written), "a misspelt field would be dropped in silence"


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_found_by_its_plain_label(name: str) -> None:
    assert belongs(parsed(name), {DEVICE_LABEL: name})
    assert not belongs(parsed(name), {DEVICE_LABEL: "toaster"})


LABELS = {
    "coral-usb": {"feature.node.kubernetes.io/usb-ff_18d1_9302.present": "true"},
    "coral-pcie": {"feature.node.kubernetes.io/pci-0880_1ac1.present": "true"},
    "coral-dev-board": {"beta.devicetree.org/fsl-imx8mq-phanbell": "1"},
    "intel-nuc": {"intel.feature.node.kubernetes.io/gpu": "true"},
    "intel-npu": {"intel.feature.node.kubernetes.io/npu": "true"},
    "jetson-nano": {"beta.devicetree.org/nvidia-jetson-nano": "1"},
    "generic-arm64": {"kubernetes.io/arch": "arm64"},
    "generic-amd64": {"kubernetes.io/arch": "amd64"},
}


@pytest.mark.parametrize(("name", "labels"), LABELS.items(), ids=LABELS)
def test_a_profile_is_found_by_the_labels_that_discovery_sets(name: str, labels: dict[str, str]) -> None:
    assert [other for other in PROFILES if belongs(parsed(other), labels)] == [name]


def test_anything_special_wins_over_generic() -> None:
    generic = {name: parsed(name).spec.priority for name in PROFILES if name.startswith("generic")}
    special = {name: parsed(name).spec.priority for name in PROFILES.keys() - generic.keys()}
    assert max(generic.values()) < min(special.values())


def test_every_figure_names_its_source() -> None:
    for name in PROFILES:
        for benchmark in parsed(name).spec.hardware.benchmarks:
            assert benchmark.source, f"{name}: {benchmark.model}"


def _covered(wire: object, written: object) -> bool:
    if isinstance(written, dict):
        return isinstance(wire, dict) and all(_covered(wire.get(key), value) for key, value in written.items())
    if isinstance(written, list):
        return isinstance(wire, list) and all(map(_covered, wire, written))
    return wire == written


def test_a_manifest_is_ready_to_be_applied() -> None:
    manifest: Manifest = PROFILES["generic-arm64"]
    assert manifest["apiVersion"] == "edgewise.dev/v1alpha1"
    assert manifest["metadata"]["annotations"].keys() == {"edgewise.dev/catalogue"}
