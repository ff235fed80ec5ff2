"""One name for a mixed fleet: a device pulls it and gets the image of its own processor."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import tomllib

from tests.cluster import images, paths
from tests.cluster.images import Built
from tests.cluster.platforms import PLATFORMS, PlatformError, named
from tests.runtime.agent.registry import Registry, registry

INDEX, MANIFEST = (f"application/vnd.oci.image.{kind}.v1+json" for kind in ("index", "manifest"))
VERSION = tomllib.loads((paths.REPOSITORY / "pyproject.toml").read_text())["project"]["version"]


async def got(registry: Registry, path: str, accept: str = "*/*") -> dict[str, Any]:
    async with registry.session.get(f"{registry.url}/v2/{path}", headers={"Accept": accept}) as answer:
        assert answer.status == 200, await answer.text()
        document: dict[str, Any] = await answer.json(content_type=None)
        return document


@pytest.mark.arm64
async def test_each_image_is_one_index_with_an_image_for_every_platform(built: Built, tmp_path: Path) -> None:
    async with registry(tmp_path) as hub:
        pushed = await asyncio.to_thread(images.build, f"http://{hub.host}/fleet", images.PRODUCT, PLATFORMS)
        for name, reference in pushed.items():
            repository, _, content = reference.removeprefix(f"{hub.host}/").rpartition(":")
            index = await got(hub, f"{repository}/manifests/{VERSION}", INDEX)
            assert index == await got(hub, f"{repository}/manifests/{content}", INDEX)
            layers: list[set[str]] = []
            for entry in index["manifests"]:
                manifest = await got(hub, f"{repository}/manifests/{entry['digest']}", MANIFEST)
                config = await got(hub, f"{repository}/blobs/{manifest['config']['digest']}")
                said = {key: config[key] for key in ("os", "architecture")}
                assert said == {key: entry["platform"][key] for key in said}
                layers.append({layer["digest"] for layer in manifest["layers"]})
            assert [f"{e['platform']['os']}/{e['platform']['architecture']}" for e in index["manifests"]] == [
                str(platform) for platform in PLATFORMS
            ], name
            assert layers[0] != layers[1]


def test_a_platform_nobody_builds_for_is_refused_by_name() -> None:
    with pytest.raises(PlatformError, match="no platform 'linux/arm': give one or more of linux/amd64, linux/arm64"):
        named("linux/amd64, linux/arm")


def test_platforms_are_this_machines_unless_named() -> None:
    assert len(named("")) == 1
    assert named("linux/arm64,linux/amd64,linux/arm64") == (PLATFORMS[1], PLATFORMS[0])
