"""How what pydantic says is said in a structural schema: one rule, one function, before and after in its docstring.

Called by `structural.py`, which applies `REWRITES` in order to every node of a schema. Every rule is pure and leaves a
node it does not apply to as it is.
"""

from __future__ import annotations

import json
from typing import Any

Schema = dict[str, Any]


def drop_null(node: Schema) -> Schema:
    """An optional member may be absent; it is never null, so null is neither a type nor a default.

    before: {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}], "default": null, "description": "d"}
    after:  {"type": "integer", "minimum": 1, "description": "d"}
    """
    branches = node.get("anyOf", [])
    others = [branch for branch in branches if branch != {"type": "null"}]
    if len(others) == len(branches):
        return node
    rest = {key: value for key, value in node.items() if key != "anyOf" and not (key == "default" and value is None)}
    return {**others[0], **rest} if len(others) == 1 else {"anyOf": others, **rest}


def inline_reference(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """Kubernetes knows no `$ref`. What is said at the place of use wins over what the model says of itself.

    before: {"$ref": "#/$defs/Cache", "description": "mine"}   with Cache = {"type": "object", "description": "its own"}
    after:  {"type": "object", "description": "mine"}
    """
    siblings = {key: value for key, value in node.items() if key != "$ref"}
    return {**definitions[reference(node)], **siblings}


def reference(node: Schema) -> str:
    """The name of the definition that a `$ref` node points to."""
    return str(node["$ref"]).removeprefix("#/$defs/")


def unwrap_description(node: Schema) -> Schema:
    """A docstring is wrapped for the editor, a description by whoever shows it.

    before: {"description": "one line\\nand another"}
    after:  {"description": "one line and another"}
    """
    if "description" not in node:
        return node
    return {**node, "description": " ".join(node["description"].split())}


def drop_title(node: Schema) -> Schema:
    """pydantic's titles repeat the field's name.

    before: {"title": "Max Queue", "type": "integer"}
    after:  {"type": "integer"}
    """
    return {key: value for key, value in node.items() if key != "title"}


def const_to_enum(node: Schema) -> Schema:
    """Kubernetes has no `const`.

    before: {"const": "ONNX", "type": "string"}
    after:  {"enum": ["ONNX"], "type": "string"}
    """
    if "const" not in node:
        return node
    return {"enum": [node["const"]], **{key: value for key, value in node.items() if key != "const"}}


def int_or_string(node: Schema) -> Schema:
    """The one union Kubernetes has; bounds of both sides stand together, and each speaks to its own type.

    before: {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "maxLength": 20}],
             "x-kubernetes-int-or-string": true}
    after:  {"minimum": 0, "maxLength": 20, "x-kubernetes-int-or-string": true}
    """
    if not node.get("x-kubernetes-int-or-string") or "anyOf" not in node:
        return node
    bounds = {key: value for branch in node["anyOf"] for key, value in branch.items() if key != "type"}
    return {**bounds, **{key: value for key, value in node.items() if key != "anyOf"}}


def exclusive_bounds(node: Schema) -> Schema:
    """In OpenAPI 3.0 an exclusive bound is a flag on the bound.

    before: {"type": "integer", "exclusiveMinimum": 0}
    after:  {"type": "integer", "minimum": 0, "exclusiveMinimum": true}
    """
    for flag, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if flag in node and not isinstance(node[flag], bool):
            node = {**node, bound: node[flag], flag: True}
    return node


def set_to_list_type(node: Schema) -> Schema:
    """`uniqueItems` is forbidden; a list of different scalars has a list type of its own.

    before: {"type": "array", "items": {...}, "uniqueItems": true}
    after:  {"type": "array", "items": {...}, "x-kubernetes-list-type": "set"}
    """
    if not node.get("uniqueItems"):
        return node
    return {**{key: value for key, value in node.items() if key != "uniqueItems"}, "x-kubernetes-list-type": "set"}


def open_object(node: Schema) -> Schema:
    """`additionalProperties: false` is forbidden; pruning does its work.

    before: {"type": "object", "properties": {...}, "additionalProperties": false}
    after:  {"type": "object", "properties": {...}}
    """
    if node.get("additionalProperties") is not False:
        return node
    return {key: value for key, value in node.items() if key != "additionalProperties"}


def map_keys_to_cel(node: Schema) -> Schema:
    """A structural schema cannot speak of a map's keys, CEL can.

    before: {"type": "object", "patternProperties": {"^[a-z]+$": {"type": "string"}},
             "propertyNames": {"maxLength": 63}}
    after:  {"type": "object", "additionalProperties": {"type": "string"}, "x-kubernetes-validations":
             [{"rule": "self.all(key, key.size() <= 63 && key.matches(\"^[a-z]+$\"))",
               "message": "keys must have at most 63 characters and match ^[a-z]+$"}]}
    """
    names, patterns = node.get("propertyNames", {}), node.get("patternProperties", {})
    if not names and len(patterns) != 1:
        return node
    pattern, values = next(iter(patterns.items()), (names.get("pattern"), node.get("additionalProperties")))
    checks, words = _key_checks(pattern, names.get("maxLength"))
    replaced = ("propertyNames", "patternProperties", "additionalProperties")
    validations = [
        *node.get("x-kubernetes-validations", []),
        {"rule": f"self.all(key, {checks})", "message": f"keys must {words}"},
    ]
    rest = {key: value for key, value in node.items() if key not in replaced}
    return {**rest, "additionalProperties": values, "x-kubernetes-validations": validations}


def _key_checks(pattern: str | None, length: int | None) -> tuple[str, str]:
    checks, words = [], []
    if length is not None:
        checks.append(f"key.size() <= {length}")
        words.append(f"have at most {length} characters")
    if pattern is not None:
        checks.append(f"key.matches({json.dumps(pattern)})")
        words.append(f"match {pattern}")
    return " && ".join(checks), " and ".join(words)


def drop_nulls_in_default(node: Schema) -> Schema:
    """Absent members of a nested default are absent.

    before: {"type": "object", "default": {"minAccuracy": null, "precisions": []}}
    after:  {"type": "object", "default": {"precisions": []}}
    """
    if not isinstance(node.get("default"), dict):
        return node
    return {**node, "default": _without_nulls(node["default"])}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(member) for key, member in value.items() if member is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def shorten_default(node: Schema) -> Schema:
    """A nested default that is all defaults is `{}`: the API server fills it in, and no figure is written down twice.

    before: {"type": "object", "default": {"mode": "PerNode"}, "properties": {"mode": {"default": "PerNode", ...}}}
    after:  {"type": "object", "default": {},                  "properties": {"mode": {"default": "PerNode", ...}}}
    """
    if not isinstance(node.get("default"), dict) or node["default"] != filled_in(node, {}):
        return node
    return {**node, "default": {}}


def filled_in(node: Schema, value: Any) -> Any:
    """`value` as the API server stores it: the defaults of the structural schema `node` added, at every depth."""
    if isinstance(value, list):
        return [filled_in(node.get("items", {}), item) for item in value]
    if not isinstance(value, dict):
        return value
    members: Schema = node.get("properties", {})
    absent = {name: member["default"] for name, member in members.items() if name not in value and "default" in member}
    return {name: filled_in(members.get(name, {}), member) for name, member in {**value, **absent}.items()}


REWRITES = (
    unwrap_description, drop_title, const_to_enum, int_or_string, exclusive_bounds, set_to_list_type, open_object,
    map_keys_to_cel, drop_nulls_in_default,
)  # fmt: skip
"""Applied to a node before its members; `drop_null` and `inline_reference` come first, `shorten_default` last."""
