"""Images are built from wheels alone, for every processor they are for: nothing is compiled, nowhere."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster import indexes, paths
from tests.cluster.command import run

pytestmark = pytest.mark.arm64

JETPACK_6 = "3.10"  # its base image does not say so in its name
TESTED = "3.11"  # of the base that tests and demo build on


@dataclass(frozen=True)
class Case:
    """The requirements of one image."""

    containerfile: str
    requirements: str
    machines: tuple[str, ...] = ("x86_64", "aarch64")

    @property
    def pythons(self) -> set[str]:
        """Of the base that it names, and of the one it is tested on."""
        base = re.search(r"^ARG BASE=\S+/python:(\d+\.\d+)", (paths.REPOSITORY / self.containerfile).read_text(), re.M)
        return {base[1], TESTED} if base else {JETPACK_6}


CASES = {
    "operator": Case("operator/Containerfile", "operator/requirements.txt"),
    "cpu": Case("runtime-images/cpu/Containerfile", "runtime-images/requirements/cpu.txt"),
    "coral": Case("runtime-images/coral/Containerfile", "runtime-images/requirements/coral.txt"),
    "jetson": Case("runtime-images/jetson/Containerfile", "runtime-images/requirements/jetson.txt", ("aarch64",)),
    "openvino": Case("runtime-images/openvino/Containerfile", "runtime-images/requirements/openvino.txt", ("x86_64",)),
}


def test_no_image_is_forgotten() -> None:
    assert set(CASES) - {"operator"} == {
        file.parent.name for file in (paths.REPOSITORY / "runtime-images").glob("*/Containerfile")
    }


@pytest.mark.parametrize("image", CASES)
def test_every_requirement_has_a_wheel(image: str, tmp_path: Path) -> None:
    """uv, the installer of the Containerfiles, resolves for the target as they do; it downloads nothing for this."""
    case = CASES[image]
    uv = [sys.executable, "-m", "uv", "--config-file", indexes.uv_configuration(), "pip", "install", "--dry-run"]
    for machine in case.machines:
        for python in sorted(case.pythons):
            target = ["--python-platform", f"{machine}-unknown-linux-gnu", "--python-version", python]
            how = ["--no-build", "--no-deps", "--target", tmp_path]
            run(*uv, *target, *how, "--requirement", paths.REPOSITORY / case.requirements)
