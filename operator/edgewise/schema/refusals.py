"""What a structural schema must not contain, and what the Kubernetes API conventions ask of every field.

Called by `structural.py` on every rewritten node. Each check takes the node and returns what is wrong with it, or
nothing; none knows the others. A schema that passes is one the API server takes, bounded enough for its CEL cost
estimate.
"""

from __future__ import annotations

from edgewise.schema.rewrites import Schema

KEYWORDS = (
    "description", "type", "format", "default", "enum", "pattern", "minLength", "maxLength",
    "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "minItems", "maxItems", "items",
    "minProperties", "maxProperties", "required", "properties", "additionalProperties",
    "x-kubernetes-int-or-string", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations",
)  # fmt: skip
"""The only keywords that pass, in the order they are written."""

TYPES = ("object", "array", "string", "integer", "boolean")
SCALARS = ("string", "integer", "boolean")


def union(node: Schema) -> str | None:
    if any(word in node for word in ("anyOf", "oneOf", "allOf", "discriminator")):
        return (
            "unions are not structural; make it an object with one optional member per form, and a Rule that says which"
        )
    return None


def tuple_(node: Schema) -> str | None:
    return "tuples are not structural; make it an object with named members" if "prefixItems" in node else None


def unknown_keyword(node: Schema) -> str | None:
    unknown = [word for word in node if word not in KEYWORDS]
    return f"no rewrite is known for {', '.join(unknown)}; add one to schema/rewrites.py" if unknown else None


def floating_point(node: Schema) -> str | None:
    if node.get("type") == "number":
        return "floats differ between languages; use an integer (milli, percent) or a decimal string"
    return None


def untyped(node: Schema) -> str | None:
    if "x-kubernetes-int-or-string" in node or node.get("type") in TYPES:
        return None
    return f"type {node['type']!r} is unknown" if "type" in node else "has no type; annotate the field with one"


def anything_goes(node: Schema) -> str | None:
    if node.get("type") != "object" or "properties" in node or isinstance(node.get("additionalProperties"), dict):
        return None
    return "an object without members; name them, or say what a map's values are"


def members_and_map(node: Schema) -> str | None:
    if "properties" in node and "additionalProperties" in node:
        return "an object with named members cannot also be a map"
    return None


def unbounded_string(node: Schema) -> str | None:
    text = node.get("type") == "string" or "x-kubernetes-int-or-string" in node
    if text and "enum" not in node and "maxLength" not in node:
        return "a string needs max_length (or a Literal)"
    return None


def unbounded_list(node: Schema) -> str | None:
    if node.get("type") == "array" and "maxItems" not in node:
        return "a list needs a limit; use list_map, set_of or atomic"
    return None


def unbounded_map(node: Schema) -> str | None:
    if "additionalProperties" in node and "maxProperties" not in node:
        return "a map needs max_length"
    return None


def list_without_items(node: Schema) -> str | None:
    return "a list needs an item type" if node.get("type") == "array" and not node.get("items") else None


def list_without_type(node: Schema) -> str | None:
    if node.get("type") == "array" and node.get("x-kubernetes-list-type") not in ("map", "set", "atomic"):
        return "a list needs a list type; use list_map, set_of or atomic"
    return None


def list_map_keys(node: Schema) -> str | None:
    """Server-side apply tells items apart by these keys, so every item must have each of them."""
    if node.get("x-kubernetes-list-type") != "map":
        return None
    items, keys = node.get("items", {}), node.get("x-kubernetes-list-map-keys", [])
    members = items.get("properties", {})
    for key in keys:
        if members.get(key, {}).get("type") not in SCALARS:
            return f"list-map key {key!r} is not a scalar member of the items"
        if key not in items.get("required", []) and "default" not in members[key]:
            return f"list-map key {key!r} must be required or have a default"
    return None if keys else "a list-map needs keys"


def set_of_scalars(node: Schema) -> str | None:
    if node.get("x-kubernetes-list-type") == "set" and node.get("items", {}).get("type") not in SCALARS:
        return "a set holds scalars only; use list_map"
    return None


def null_default(node: Schema) -> str | None:
    return "a default cannot be null" if "default" in node and node["default"] is None else None


REFUSALS = (
    union, tuple_, unknown_keyword, floating_point, untyped, null_default, anything_goes, members_and_map,
    unbounded_string, unbounded_map, unbounded_list, list_without_items, list_without_type, list_map_keys,
    set_of_scalars,
)  # fmt: skip
