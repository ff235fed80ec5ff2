"""The chart's values: every one is known, explained and has an effect; a wrong one is refused with words that help."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.helm import CHART, Helm, HelmError

VALUES_FILE = CHART / "values.yaml"
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
DIGEST = f"sha256:{'a' * 64}"

REFUSED = {
    "an unknown value": ("replicas=2", "additional properties 'replicas' not allowed"),
    "an unknown value further down": ("image.name=x", "at '/image': additional properties 'name' not allowed"),
    "an unknown flavour of hardware": ("runtimeImages.tpu=a:1", "at '/runtimeImages': additional properties 'tpu'"),
    "an unknown flag of the kinds": ("crds.delete=true", "at '/crds': additional properties 'delete' not allowed"),
    "the root of the nodes as a cache": ("cacheRoot=/", "at '/cacheRoot': '/' does not match pattern"),
    "a system's folder as a cache": ("cacheRoot=/etc", "at '/cacheRoot': '/etc' does not match pattern"),
    "a folder that climbs": ("fileRoot=/srv/../etc", "at '/fileRoot': '/srv/../etc' does not match pattern"),
    "a folder with a slash at the end": ("fileRoot=/srv/models/", "at '/fileRoot': '/srv/models/' does not match"),
    "a removed section": ("catalogue=null", "missing property 'catalogue'"),
    "a word where a switch belongs": ("labelGuard.enabled=on", "at '/labelGuard/enabled': got string, want boolean"),
    "a duration where seconds belong": ("labelGracePeriod=5m", "at '/labelGracePeriod': got string, want integer"),
    "a negative time": ("labelGracePeriod=-1", "at '/labelGracePeriod': minimum: got -1, want 0"),
    "a registry with a scheme": (
        "registry=https://example.com",
        "at '/registry': 'https://example.com' does not match",
    ),
    "a registry with a slash at the end": ("registry=example.com/", "at '/registry': 'example.com/' does not match"),
    "a tag within the repository": ("image.repository=example.com/op:1", "at '/image/repository'"),
    "a Prometheus without a scheme": ("prometheus.url=prometheus:9090", "at '/prometheus/url': 'prometheus:9090' does"),
    "a password in an address": ("prometheus.url=http://me:secret@prometheus", "at '/prometheus/url'"),
    "hardly any connections": ("reports.connections=4", "at '/reports/connections': minimum"),
    "a short digest": ("image.digest=sha256:abc", "at '/image/digest': 'sha256:abc' does not match pattern"),
    "a tag that YAML reads as a number": ("image.tag=1", "at '/image/tag': got number, want string"),
    "a runtime image that is not pinned": ("runtimeImages.cpu=example.com:5000/r", "at '/runtimeImages/cpu'"),
    "an annotation that is no string": ("podAnnotations.scrape=true", "at '/podAnnotations/scrape': got boolean"),
    "an unknown pull policy": ("image.pullPolicy=Sometimes", "at '/image/pullPolicy': value must be one of 'Always'"),
}

TAKEN = {
    "a registry with a port and a path": "registry=registry.local:5000/edge",
    "a Prometheus below a path": "prometheus.url=https://mimir.example:8443/prometheus",
    "a tag": "image.tag=0.1.0-rc.1",
    "a digest": f"image.digest={DIGEST}",
    "a runtime image by tag": "runtimeImages.jetson-6=registry.local:5000/edge/jetson:6.1",
    "a runtime image by digest": f"runtimeImages.cpu=example.com/cpu@{DIGEST}",
    "what Helm hands to subcharts": "global.imageRegistry=example.com",
    "the condition of an umbrella chart": "enabled=true",
}


@pytest.mark.parametrize(("setting", "message"), REFUSED.values(), ids=tuple(REFUSED))
def test_a_wrong_value_is_refused_with_its_path_and_the_reason(helm: Helm, setting: str, message: str) -> None:
    with pytest.raises(HelmError) as refusal:
        helm.render("--set", setting)
    assert message in str(refusal.value)


@pytest.mark.parametrize("setting", TAKEN.values(), ids=tuple(TAKEN))
def test_a_right_value_is_taken(helm: Helm, setting: str) -> None:
    assert helm.render("--set", setting)


@pytest.mark.parametrize("flags", [[], ["--strict"], ["--strict", "--set", "metrics.podMonitor.enabled=true"]])
def test_lint_finds_nothing_wrong(helm: Helm, flags: list[str]) -> None:
    assert "0 chart(s) failed" in helm.run("lint", CHART, *flags)


def test_the_chart_works_as_a_dependency(helm: Helm, tmp_path: Path) -> None:
    dependency = {
        "name": "edgewise",
        "version": "0.1.0",
        "repository": f"file://{CHART}",
        "condition": "edgewise.enabled",
    }
    umbrella = {"apiVersion": "v2", "name": "site", "version": "1.0.0", "dependencies": [dependency]}
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(umbrella))
    (tmp_path / "values.yaml").write_text(yaml.safe_dump({"edgewise": {"enabled": True}}))
    helm.run("dependency", "build", tmp_path)
    assert "kind: Deployment" in helm.render(chart=tmp_path)


def test_the_schema_knows_no_value_that_the_values_file_does_not_show() -> None:
    # The other way round, helm itself refuses the defaults.
    for section in _sections(SCHEMA):
        shown = set(section["properties"]) - {"global", "enabled"}
        assert shown == set(section["required"]) - {"enabled"}


def test_every_block_of_values_ends_with_its_explanation() -> None:
    blocks = VALUES_FILE.read_text().strip().split("\n\n")
    assert [block for block in blocks if not block.splitlines()[-1].lstrip().startswith("#")] == []


def test_the_values_file_stays_small_enough_to_be_read() -> None:
    assert len(VALUES_FILE.read_text().splitlines()) <= 150


def _sections(schema: object) -> Iterator[dict[str, Any]]:
    """Every object of the schema whose members are all required."""
    inner: list[Any] = []
    if isinstance(schema, dict):
        if isinstance(schema.get("required"), list) and "name" not in schema["properties"]:
            yield schema
        inner = list(schema.values())
    for item in inner:
        yield from _sections(item)
