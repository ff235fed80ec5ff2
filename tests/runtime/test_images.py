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
    settings = [line.split("=")[0] for line in own.splitlines() if line.strip() and not line.startswith("#")]
    assert settings == ["ARG BASE", "FROM ${BASE}", "ARG IMAGE", "ARG PACKAGES", "ARG ACCELERATOR"]
    assert f"\nARG IMAGE={name}\n" in own


@pytest.mark.parametrize("name", NAMES)
def test_requirements_are_pinned_and_lean(name: str) -> None:
    lines = (IMAGES / "requirements" / f"{name}.txt").read_text().splitlines()
    assert all(re.match(r"[a-z0-9._-]+==[0-9]", line) for line in lines), lines
    assert not {"kopf", "grpcio", "tritonclient", "cryptography"} & {line.split("==")[0] for line in lines}


def test_every_setting_is_in_the_readme_with_its_default() -> None:
    readme = (IMAGES / "README.md").read_text()
    for field in dataclasses.fields(Settings):
        variable = f"EDGEWISE_{field.name.upper()}"
        assert f"`{variable}`" in readme
        if isinstance(field.default, (int, float)):
            assert f"| `{variable}` | {field.default:g} |" in readme or f"| `{variable}` | {field.default} |" in readme
