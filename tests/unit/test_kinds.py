"""The table of good and bad objects, told to pydantic; tests/apiserver/test_crds.py tells it to the API server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from edgewise.schema.crd import object_schema
from edgewise.schema.kinds import KINDS
from tests.cases.case import ABSENT, Accepted, Refused, steps
from tests.cases.kinds import ACCEPTED, MODELS, REFUSED, STATUSES
from tests.cases.manifests import FULL_DEPLOYMENT, FULL_MODEL, FULL_PROFILE, Manifest

SCHEMAS = {kind.name: object_schema(kind) for kind in KINDS}


def refusal(error: ValidationError) -> str:
    """What pydantic says, with paths as the API server writes them."""
    return "\n".join(f"{_dotted(problem['loc'])}: {problem['msg']}" for problem in error.errors())


def _dotted(location: tuple[str | int, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).lstrip(".")


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.sentence)
def test_accepted(case: Accepted) -> None:
    kind = MODELS[case.manifest["kind"]]
    assert kind.model_validate(case.manifest).wire()["metadata"]["name"] == case.manifest["metadata"]["name"]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case.manifest['kind']}: {case.sentence}")
def test_refused(case: Refused) -> None:
    with pytest.raises(ValidationError) as refused:
        MODELS[case.manifest["kind"]].model_validate(case.manifest)
    assert case.says in refusal(refused.value)


@pytest.mark.parametrize("manifest", [FULL_PROFILE, FULL_MODEL, FULL_DEPLOYMENT], ids=lambda manifest: manifest["kind"])
def test_an_object_with_every_field_comes_back_as_it_went_in(manifest: Manifest) -> None:
    said = without_defaults(MODELS[manifest["kind"]].model_validate(manifest).wire()["spec"], manifest["spec"])
    assert said == manifest["spec"]


def without_defaults(value: Any, example: Any) -> Any:
    """`value` cut down to the members that `example` has."""
    if isinstance(value, list) and isinstance(example, list) and len(value) == len(example):
        return [without_defaults(item, other) for item, other in zip(value, example, strict=True)]
    if isinstance(value, dict) and isinstance(example, dict):
        return {name: without_defaults(member, example[name]) for name, member in value.items() if name in example}
    return value


@pytest.mark.parametrize(("manifest", "status"), STATUSES, ids=lambda part: part.get("kind"))
def test_a_status_with_every_field_comes_back_as_it_went_in(manifest: Manifest, status: Manifest) -> None:
    kind = MODELS[manifest["kind"]]
    assert kind.model_validate({**manifest, "status": status}).wire()["status"] == status


def test_an_unknown_field_is_ignored_for_the_crd_may_be_newer_than_the_operator() -> None:
    model = MODELS["EdgeModel"].model_validate({**FULL_MODEL, "spec": {**FULL_MODEL["spec"], "novelty": 1}})
    assert "novelty" not in model.wire()["spec"]


class TestTheTableIsWhole:
    """Every field is set somewhere, every bound is broken somewhere."""

    @pytest.mark.parametrize("kind", SCHEMAS)
    def test_each_field_of_spec_and_status_is_set_in_an_accepted_object(self, kind: str) -> None:
        specs = [case.manifest["spec"] for case in ACCEPTED if case.manifest["kind"] == kind]
        statuses = [status for manifest, status in STATUSES if manifest["kind"] == kind]
        members = SCHEMAS[kind]["properties"]
        fields = {f"spec{path}" for path in fields_of(members["spec"])}
        fields |= {f"status{path}" for path in fields_of(members["status"])}
        set_there = {f"spec{path}" for spec in specs for path in fields_set(members["spec"], spec)}
        set_there |= {f"status{path}" for status in statuses for path in fields_set(members["status"], status)}
        assert fields - set_there == set()

    def test_each_rule_is_broken_by_a_refused_object(self) -> None:
        said = [case.says for case in REFUSED]
        rules = {rule["message"] for node in nodes() for rule in node.get("x-kubernetes-validations", [])}
        broken_maps = {word for _, word in broken_bounds()}
        missed = [rule for rule in rules if not any(words in rule for words in said) and rule not in broken_maps]
        assert missed == []

    def test_each_pattern_and_each_choice_is_broken_by_a_refused_object(self) -> None:
        wanted = {("pattern", node["pattern"]) for node in nodes() if "pattern" in node}
        wanted |= {("enum", str(node["enum"])) for node in nodes() if "enum" in node}
        assert wanted - broken_bounds() == set()

    def test_each_sort_of_bound_is_broken_by_a_refused_object(self) -> None:
        sorts = {
            "minimum",
            "maximum",
            "minItems",
            "maxItems",
            "maxLength",
            "maxProperties",
            "type",
            "required",
            "unique",
        }
        assert sorts - {keyword for keyword, _ in broken_bounds()} == set()


def nodes() -> Iterator[dict[str, Any]]:
    """Every node of every kind's schema."""
    pending = list(SCHEMAS.values())
    while pending:
        node = pending.pop()
        yield node
        pending.extend(node.get("properties", {}).values())
        pending.extend(node[keyword] for keyword in ("items", "additionalProperties") if keyword in node)


def fields_of(node: dict[str, Any], path: str = "") -> Iterator[str]:
    for name, member in node.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from fields_of(member.get("items", member), f"{path}.{name}")


def fields_set(node: dict[str, Any], value: Any, path: str = "") -> Iterator[str]:
    for name, member in node.get("properties", {}).items():
        if isinstance(value, dict) and name in value:
            yield f"{path}.{name}"
            inner = value[name] if isinstance(value[name], list) else [value[name]]
            for item in inner:
                yield from fields_set(member.get("items", member), item, f"{path}.{name}")


def broken_bounds() -> set[tuple[str, str]]:
    """(keyword, its value) of each bound that some refused object really breaks."""
    return {bound for case in REFUSED for bound in _broken_at(case)}


def _broken_at(case: Refused) -> Iterator[tuple[str, str]]:
    node = SCHEMAS[case.manifest["kind"]]
    if case.value is ABSENT:
        yield "required", case.path
        return
    for step in steps(case.path):
        node = node["items"] if isinstance(step, int) else _member(node, step)
    yield from _broken(node, case.value)


def _member(node: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = node.get("properties", {}).get(name) or node.get("additionalProperties") or {}
    return found


def _broken(node: dict[str, Any], value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield from _broken_text(node, value)
        case list():
            yield from _broken_list(node, value)
        case dict():
            yield from _broken_object(node, value)
        case _:
            yield from _broken_number(node, value)
    types = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
    if node.get("type") in types and not isinstance(value, types[node["type"]]):
        yield "type", node["type"]


def _broken_text(node: dict[str, Any], value: str) -> Iterator[tuple[str, str]]:
    if "pattern" in node and not re.search(node["pattern"], value):
        yield "pattern", node["pattern"]
    if "enum" in node and value not in node["enum"]:
        yield "enum", str(node["enum"])
    if len(value) > node.get("maxLength", len(value)):
        yield "maxLength", str(node["maxLength"])


def _broken_number(node: dict[str, Any], value: float) -> Iterator[tuple[str, str]]:
    if value < node.get("minimum", value):
        yield "minimum", str(node["minimum"])
    if value > node.get("maximum", value):
        yield "maximum", str(node["maximum"])


def _broken_list(node: dict[str, Any], value: list[Any]) -> Iterator[tuple[str, str]]:
    if len(value) < node.get("minItems", 0):
        yield "minItems", str(node["minItems"])
    if len(value) > node["maxItems"]:
        yield "maxItems", str(node["maxItems"])
    if node["x-kubernetes-list-type"] != "atomic" and any(value.count(item) > 1 for item in value):
        yield "unique", node["x-kubernetes-list-type"]
    for item in value:
        yield from _broken(node["items"], item)


def _broken_object(node: dict[str, Any], value: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if len(value) > node.get("maxProperties", len(value)):
        yield "maxProperties", str(node["maxProperties"])
    for rule in node.get("x-kubernetes-validations", []):
        if "additionalProperties" in node and any(_breaks_key_rule(rule["message"], key) for key in value):
            yield "keys", rule["message"]
    for name, member in value.items():
        yield from _broken(_member(node, name), member)


def _breaks_key_rule(message: str, key: str) -> bool:
    length = re.search(r"at most (\d+) characters", message)
    pattern = re.search(r"match (\S+)$", message)
    return bool(length and len(key) > int(length[1])) or bool(pattern and not re.search(pattern[1], key))
