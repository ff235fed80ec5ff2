"""Nodes of schemas: what each rewrite makes of them, and which ones are refused in which words."""

from __future__ import annotations

from typing import Any

from edgewise.schema import refusals, rewrites
from edgewise.schema.rewrites import Schema

WORD = {"type": "string", "maxLength": 9}


def one(member: Schema) -> Schema:
    return {"type": "object", "properties": {"field": member}}


def a_list(**changes: Any) -> Schema:
    return {"type": "array", "items": WORD, "maxItems": 3, "x-kubernetes-list-type": "atomic", **changes}


KEYED = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}

REWRITES = [
    (
        rewrites.drop_null,
        "an optional member loses null, and null as its default; what is said of the field stays",
        {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}], "default": None, "description": "d"},
        {"type": "integer", "minimum": 1, "description": "d"},
    ),
    (
        rewrites.drop_null,
        "an optional member keeps a default that is not null",
        {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": 3},
        {"type": "integer", "default": 3},
    ),
    (
        rewrites.drop_null,
        "an optional union stays a union, to be refused",
        {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]},
        {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    ),
    (rewrites.drop_title, "titles go", {"title": "Max Queue", "type": "integer"}, {"type": "integer"}),
    (
        rewrites.drop_title,
        "a member called title stays",
        {"type": "object", "properties": {"title": WORD}},
        {"type": "object", "properties": {"title": WORD}},
    ),
    (
        rewrites.unwrap_description,
        "a wrapped docstring becomes one line",
        {"description": "one line\nand another", "type": "integer"},
        {"description": "one line and another", "type": "integer"},
    ),
    (
        rewrites.const_to_enum,
        "a Literal of one becomes an enum of one",
        {"const": "ONNX", "type": "string"},
        {"enum": ["ONNX"], "type": "string"},
    ),
    (
        rewrites.int_or_string,
        "integer or string is the one union Kubernetes has",
        {
            "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "maxLength": 20, "pattern": "^[0-9]+m$"}],
            "x-kubernetes-int-or-string": True,
        },
        {"minimum": 0, "maxLength": 20, "pattern": "^[0-9]+m$", "x-kubernetes-int-or-string": True},
    ),
    (
        rewrites.exclusive_bounds,
        "an exclusive bound becomes a flag on the bound",
        {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9},
        {"type": "integer", "minimum": 0, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": True},
    ),
    (
        rewrites.set_to_list_type,
        "a set becomes a list type",
        {"type": "array", "items": WORD, "uniqueItems": True},
        {"type": "array", "items": WORD, "x-kubernetes-list-type": "set"},
    ),
    (
        rewrites.open_object,
        "extra=forbid is left to pruning",
        {"type": "object", "properties": {"a": WORD}, "additionalProperties": False},
        {"type": "object", "properties": {"a": WORD}},
    ),
    (
        rewrites.map_keys_to_cel,
        "a map's keys are checked by CEL",
        {"type": "object", "patternProperties": {"^[a-z]+$": WORD}, "propertyNames": {"maxLength": 63}},
        {
            "type": "object",
            "additionalProperties": WORD,
            "x-kubernetes-validations": [
                {
                    "rule": 'self.all(key, key.size() <= 63 && key.matches("^[a-z]+$"))',
                    "message": "keys must have at most 63 characters and match ^[a-z]+$",
                }
            ],
        },
    ),
    (
        rewrites.map_keys_to_cel,
        "keys with a length only",
        {"type": "object", "additionalProperties": WORD, "propertyNames": {"maxLength": 5}},
        {
            "type": "object",
            "additionalProperties": WORD,
            "x-kubernetes-validations": [
                {"rule": "self.all(key, key.size() <= 5)", "message": "keys must have at most 5 characters"}
            ],
        },
    ),
    (
        rewrites.map_keys_to_cel,
        "a backslash in a key's pattern survives CEL",
        {"type": "object", "patternProperties": {r"^\d$": WORD}},
        {
            "type": "object",
            "additionalProperties": WORD,
            "x-kubernetes-validations": [
                {"rule": r'self.all(key, key.matches("^\\d$"))', "message": r"keys must match ^\d$"}
            ],
        },
    ),
    (
        rewrites.drop_nulls_in_default,
        "absent members of a default are absent, at every depth",
        {"type": "object", "default": {"a": None, "b": [], "c": {"d": None}}},
        {"type": "object", "default": {"b": [], "c": {}}},
    ),
    (
        rewrites.shorten_default,
        "a default that is all defaults becomes empty",
        {
            "type": "object",
            "default": {"cache": {"limit": "1Gi"}},
            "properties": {
                "cache": {"type": "object", "default": {}, "properties": {"limit": {**WORD, "default": "1Gi"}}}
            },
        },
        {
            "type": "object",
            "default": {},
            "properties": {
                "cache": {"type": "object", "default": {}, "properties": {"limit": {**WORD, "default": "1Gi"}}}
            },
        },
    ),
    (
        rewrites.shorten_default,
        "a default that says something of its own stays",
        {"type": "object", "default": {"mode": "B"}, "properties": {"mode": {**WORD, "default": "A"}}},
        {"type": "object", "default": {"mode": "B"}, "properties": {"mode": {**WORD, "default": "A"}}},
    ),
]  # fmt: skip


REFUSED = [
    (refusals.union, {"anyOf": [{"type": "integer"}, WORD]}, "spec.field: unions"),
    (refusals.union, {"oneOf": [{"type": "integer"}, WORD]}, "spec.field: unions"),
    (refusals.tuple_, {"type": "array", "prefixItems": [WORD]}, "spec.field: tuples"),
    (refusals.unknown_keyword, {**WORD, "contentEncoding": "base64"}, "spec.field: no rewrite is known for contentEnc"),
    (refusals.floating_point, {"type": "number"}, "spec.field: floats"),
    (refusals.untyped, {"description": "anything"}, "spec.field: has no type"),
    (refusals.untyped, {"type": "null"}, "spec.field: type 'null' is unknown"),
    (refusals.null_default, {**WORD, "default": None}, "spec.field: a default cannot be null"),
    (refusals.anything_goes, {"type": "object"}, "spec.field: an object without members"),
    (refusals.anything_goes, {"type": "object", "additionalProperties": True}, "spec.field: an object without members"),
    (refusals.members_and_map, {**one(WORD), "additionalProperties": WORD}, "spec.field: an object with named members"),
    (refusals.unbounded_string, {"type": "string"}, "spec.field: a string needs max_length"),
    (refusals.unbounded_string, {"type": "string", "pattern": "^a*$"}, "spec.field: a string needs max_length"),
    (refusals.unbounded_string, {"x-kubernetes-int-or-string": True}, "spec.field: a string needs max_length"),
    (refusals.unbounded_string, a_list(items={"type": "string"}), "spec.field[]: a string needs max_length"),
    (
        refusals.unbounded_string,
        {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 2},
        "spec.field{}: a string needs max_length",
    ),
    (refusals.unbounded_map, {"type": "object", "additionalProperties": WORD}, "spec.field: a map needs max_length"),
    (
        refusals.unbounded_list,
        {"type": "array", "items": WORD, "x-kubernetes-list-type": "set"},
        "spec.field: a list needs a limit",
    ),
    (refusals.list_without_items, a_list(items=None), "spec.field: a list needs an item type"),
    (
        refusals.list_without_type,
        {"type": "array", "items": WORD, "maxItems": 3},
        "spec.field: a list needs a list type",
    ),
    (refusals.list_map_keys, a_list(**{**KEYED, "x-kubernetes-list-map-keys": []}), "a list-map needs keys"),
    (refusals.list_map_keys, a_list(items=one(WORD), **KEYED), "spec.field: list-map key 'name' is not a scalar"),
    (
        refusals.list_map_keys,
        a_list(items={"type": "object", "properties": {"name": WORD}}, **KEYED),
        "spec.field: list-map key 'name' must be required or have a default",
    ),
    (
        refusals.set_of_scalars,
        a_list(items=one(WORD), **{"x-kubernetes-list-type": "set"}),
        "spec.field: a set holds scalars only",
    ),
]  # fmt: skip
