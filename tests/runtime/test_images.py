"""What is promised of the images and of the settings is written in one place, and stays true."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from edgewise_runtime.settings import Settings

REPOSITORY = Path(__file__).parents[2]
IMAGES = REPOSITORY / "runtime-images"
NAMES = ("cpu", "openvino", "jetson", "coral")
SHARED = "# -- the same in every image"


def containerfile(name: str) -> str:
    return (IMAGES / name / "Containerfile").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_images_differ_in_base_and_extras_only(name: str) -> None:
    own, shared = containerfile(name).split(SHARED)
    assert shared == containerfile("cpu").split(SHARED)[1]
    lines = [line for line in own.splitlines() if line.strip() and not line.startswith("#")]
    stages = [line for line in lines if not line.startswith("RUN apt-get ")]
    assert [line.split("=")[0] for line in stages[:3]] == ["ARG BASE", "ARG IMAGE", "ARG ACCELERATOR"]
    assert stages[1] == f"ARG IMAGE={name}"
    assert stages[3] == "FROM ${BASE} AS device"
    assert stages[4] in ("FROM --platform=$BUILDPLATFORM ${BASE} AS build", "FROM ${BASE} AS build")
    assert len(stages) == 5


@pytest.mark.parametrize("file", ["runtime-images/cpu/Containerfile", "operator/Containerfile"])
def test_building_for_another_processor_runs_none_of_its_programs(file: str) -> None:
    theirs = {"${BASE}"}
    for stage in re.split(r"^FROM ", (REPOSITORY / file).read_text(), flags=re.MULTILINE)[1:]:
        first, *steps = stage.splitlines()
        base, _, name = first.partition(" AS ")
        if base in theirs:
            theirs.add(name)
            assert not [step for step in steps if step.startswith("RUN")]
    assert len(theirs) == 3, "a stage for the other processor, and the one that goes on from there"


@pytest.mark.parametrize("name", NAMES)
def test_requirements_are_pinned_and_lean(name: str) -> None:
    lines = (IMAGES / "requirements" / f"{name}.txt").read_text().splitlines()
    assert all(re.match(r"[a-z0-9._-]+==[0-9]", line) for line in lines), lines
    unwanted = {"kopf", "kubernetes", "model-signing", "openvino-telemetry", "sigstore"}
    assert not unwanted & {line.split("==")[0] for line in lines}


def test_every_setting_is_in_the_readme_with_its_default() -> None:
    readme = (IMAGES / "README.md").read_text()
    for field in dataclasses.fields(Settings):
        variable = f"EDGEWISE_{field.name.upper()}"
        assert f"`{variable}`" in readme
        if isinstance(field.default, bool):
            assert f"| `{variable}` | {str(field.default).lower()} |" in readme
        elif isinstance(field.default, (int, float)):
            assert f"| `{variable}` | {field.default:g} |" in readme or f"| `{variable}` | {field.default} |" in readme
