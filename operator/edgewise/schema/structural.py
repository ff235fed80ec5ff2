"""pydantic model -> structural schema, as a CustomResourceDefinition holds it. Called by `crd.py`.

It refuses rather than weakens: a keyword without a rewrite, an unbounded string or a union stops the generation and
names the field, so the schema in the cluster never says less than the model does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from edgewise.api.base import Model
from edgewise.schema.docstrings import docstrings
from edgewise.schema.refusals import KEYWORDS, REFUSALS
from edgewise.schema.rewrites import REWRITES, Schema, drop_null, inline_reference, reference, shorten_default


class NotStructuralError(ValueError):
    """Kubernetes could not hold this field as it is declared; the message says where and what to change."""


def structural(model: type[Model], path: str) -> Schema:
    """The schema of `model`, all references inlined. `path` is how errors call it. Raises `NotStructuralError`."""
    schema = model.model_json_schema(schema_generator=_Generator, mode="validation")
    return convert(schema, path)


def convert(schema: Schema, path: str) -> Schema:
    """JSON schema (2020-12, as pydantic emits it) -> structural schema. Raises `NotStructuralError`."""
    definitions = schema.get("$defs", {})
    root = {key: value for key, value in schema.items() if key != "$defs"}
    return _converted(root, _Place(path, definitions))


class _Generator(GenerateJsonSchema):
    """pydantic leaves docstrings and `default_factory` out; the API server must know those defaults as well."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        model, made = cast("type[Model]", schema["cls"]), super().model_schema(schema)
        for name, text in docstrings(model).items():
            member = made["properties"][model.model_fields[name].alias or name]
            member["description"] = text
        return made

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        factory = schema.get("default_factory")
        if factory is None:
            return super().default_schema(schema)
        if factory not in (list, dict):
            raise NotStructuralError(
                f"{factory!r}: the only default factories are list and dict; write the default down"
            )
        return {**self.generate_inner(schema["schema"]), "default": [] if factory is list else {}}


@dataclass(frozen=True)
class _Place:
    """Where in the schema the walk is."""

    path: str
    definitions: dict[str, Schema]
    opened: tuple[str, ...] = ()

    def member(self, suffix: str) -> _Place:
        return replace(self, path=self.path + suffix)

    def refuse(self, problem: str) -> NotStructuralError:
        return NotStructuralError(f"{self.path}: {problem}")


def _converted(node: Schema, place: _Place) -> Schema:
    node, place = _resolved(node, place)
    for rewrite in REWRITES:
        node = rewrite(node)
    node = shorten_default(_members_converted(node, place))
    for refusal in REFUSALS:
        if problem := refusal(node):
            raise place.refuse(problem)
    return {word: node[word] for word in KEYWORDS if word in node}


def _resolved(node: Schema, place: _Place) -> tuple[Schema, _Place]:
    node = drop_null(node)
    while "$ref" in node:
        name = reference(node)
        if name in place.opened:
            raise place.refuse(f"{name} contains itself; structural schemas cannot recurse")
        place = replace(place, opened=(*place.opened, name))
        node = drop_null(inline_reference(node, place.definitions))
    return node, place


def _members_converted(node: Schema, place: _Place) -> Schema:
    node = dict(node)
    if "properties" in node:
        members = node["properties"].items()
        node["properties"] = {name: _converted(member, place.member(f".{name}")) for name, member in members}
    for keyword, suffix in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(node.get(keyword), dict):
            node[keyword] = _converted(node[keyword], place.member(suffix))
    return node
