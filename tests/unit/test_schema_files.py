"""What is in the repository is what the kinds say now; the chart's copy is the plain one in Helm's clothes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgewise.schema.__main__ import main
from edgewise.schema.crd import crd, object_schema
from edgewise.schema.files import chart_template, escaped, generated_files, to_yaml
from edgewise.schema.kinds import KINDS, Column, Kind

ROOT = Path(__file__).parents[2]
LARGEST = 256 * 1024  # of an annotation: `kubectl apply` without --server-side keeps the whole manifest in one


def test_the_repository_has_not_drifted() -> None:
    assert main(["--check", "--root", str(ROOT)]) == 0


def test_check_shows_the_drift_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--root", str(tmp_path)])
    target = tmp_path / "crds/edgewise.dev_edgemodels.yaml"
    target.write_text(target.read_text().replace("maxLength: 64", "maxLength: 65", 1))
    capsys.readouterr()
    assert main(["--check", "--root", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert re.search(r"^-.*maxLength: 65\n\+.*maxLength: 64$", shown.out, re.MULTILINE)
    assert "make generate" in shown.err


def test_check_calls_a_missing_file_drift_and_writes_nothing(tmp_path: Path) -> None:
    assert main(["--check", "--root", str(tmp_path)]) == 1
    assert list(tmp_path.iterdir()) == []


def test_writing_twice_writes_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--root", str(tmp_path)])
    assert capsys.readouterr().out.count("wrote ") == len(list(generated_files()))
    main(["--root", str(tmp_path)])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_yaml_says_what_the_definition_says(kind: Kind) -> None:
    assert yaml.safe_load(to_yaml(crd(kind))) == crd(kind)


@pytest.mark.parametrize(("path", "text"), list(generated_files()), ids=lambda part: str(part)[:50])
def test_a_generated_file_is_small_enough_for_an_annotation(path: object, text: str) -> None:
    assert len(text.encode()) < LARGEST / 2


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_chart_guards_and_keeps_the_same_definition(kind: Kind) -> None:
    template = chart_template(crd(kind))
    assert template.startswith("{{- if .Values.crds.enabled }}\n")
    assert template.endswith("{{- end }}\n")
    without_helm = "".join(line for line in template.splitlines(True) if "{{-" not in line)
    rendered = yaml.safe_load(without_helm)
    assert rendered["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert rendered == crd(kind)


def test_braces_in_a_description_reach_the_cluster() -> None:
    assert escaped("name: {{ .Node }}") == 'name: {{ "{{" }} .Node }}'


@pytest.mark.parametrize(
    ("kind", "column"),
    [(kind, column) for kind in KINDS for column in kind.columns],
    ids=lambda part: part.name,
)
def test_a_column_reads_a_field_that_exists_and_has_its_type(kind: Kind, column: Column) -> None:
    if column.path == ".metadata.creationTimestamp":
        return
    assert field_at(object_schema(kind), column.path)["type"] == column.type


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.scale], ids=lambda kind: kind.name)
def test_scale_reads_fields_that_exist(kind: Kind) -> None:
    assert kind.scale is not None
    assert {field_at(object_schema(kind), path)["type"] for path in kind.scale.values()} == {"integer"}


def field_at(schema: dict[str, Any], path: str) -> dict[str, Any]:
    """The schema node a JSON path of a column reads."""
    for name in re.sub(r"\[[^\]]*\]", ".[]", path).strip(".").split("."):
        schema = schema["items"] if name == "[]" else schema["properties"][name]
    return schema


def test_every_field_and_every_rule_is_on_the_reference_page() -> None:
    pages = {str(path): text for path, text in generated_files() if path.suffix == ".md"}
    page = pages["docs/reference/edgedeployment.md"]
    assert "| `escalation.targets[].deploymentRef.name` | DnsLabel | **required** |" in page
    assert "- `spec.rollout.waves[]`: set exactly one of nodes, percent, selector" in page
    assert (
        r"| `serving.cache.type` | `Ephemeral` \| `HostPath` \| `PersistentVolumeClaim` | `" + '"Ephemeral"` |' in page
    )
