"""Each rewrite with its before and after, each refusal with the path it names, and the converter on small models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from edgewise.api.base import ListType, Model, Rule, Word, atomic, list_map, set_of
from edgewise.schema import refusals, rewrites
from edgewise.schema.kinds import KINDS
from edgewise.schema.rewrites import Schema, filled_in
from edgewise.schema.structural import NotStructuralError, convert, structural
from tests.cases.schemas import KEYED, REFUSED, REWRITES, WORD, a_list, one


@pytest.mark.parametrize(("rewrite", "sentence", "before", "after"), REWRITES, ids=lambda part: str(part)[:60])
def test_rewrite(rewrite: Any, sentence: str, before: Schema, after: Schema) -> None:
    assert rewrite(before) == after


@pytest.mark.parametrize("rewrite", rewrites.REWRITES, ids=lambda rewrite: rewrite.__name__)
def test_every_rewrite_has_a_case_and_leaves_other_nodes_alone(rewrite: Any) -> None:
    assert any(case[0] is rewrite for case in REWRITES)
    assert rewrite(dict(WORD)) == WORD


def test_a_reference_is_inlined_and_what_is_said_beside_it_wins() -> None:
    cache = {"type": "object", "description": "its own", "properties": {"path": WORD}}
    schema = {
        "type": "object",
        "properties": {
            "mine": {"$ref": "#/$defs/Cache", "description": "mine", "default": {}},
            "its": {"anyOf": [{"$ref": "#/$defs/Cache"}, {"type": "null"}], "default": None},
        },
        "$defs": {"Cache": cache},
    }
    assert convert(schema, "spec")["properties"] == {
        "mine": {"description": "mine", "type": "object", "default": {}, "properties": {"path": WORD}},
        "its": {"description": "its own", "type": "object", "properties": {"path": WORD}},
    }


@pytest.mark.parametrize(("_check", "member", "says"), REFUSED, ids=lambda part: str(part)[:60])
def test_refusal_names_the_path(_check: Any, member: Schema, says: str) -> None:
    with pytest.raises(NotStructuralError) as refused:
        convert(one(member), "spec")
    assert says in str(refused.value)


@pytest.mark.parametrize("check", refusals.REFUSALS, ids=lambda check: check.__name__)
def test_every_refusal_has_a_case_and_passes_a_good_node(check: Any) -> None:
    assert any(case[0] is check for case in REFUSED)
    assert check(WORD) is None


class Tree(Model):
    branches: Annotated[list[Tree], atomic(3)] = Field(default_factory=list)


def test_a_model_that_contains_itself_is_refused() -> None:
    with pytest.raises(NotStructuralError, match=r"spec\.branches\[\]: Tree contains itself"):
        structural(Tree, "spec")


class Strange(Model):
    numbers: Annotated[list[int], atomic(3)] = Field(default_factory=lambda: [1, 2])


def test_a_default_factory_of_ones_own_is_refused() -> None:
    with pytest.raises(NotStructuralError, match="the only default factories are list and dict"):
        structural(Strange, "spec")


class Item(Model):
    """An item."""

    name: Word
    kind: Literal["A"] = "A"


class Inner(Model):
    size: Annotated[int, Field(gt=0, le=8)] = 1
    labels: Annotated[dict[Word, Word], Field(max_length=2)] = Field(default_factory=dict)
    note: Word | None = None


class Outer(Model):
    """All of it at once."""

    items: Annotated[list[Item], list_map("name", limit=2), Field(min_length=1)]
    words: Annotated[list[Word], set_of(4)] = Field(default_factory=list)
    """Words, wrapped
    by the editor."""
    inner: Inner = Inner()
    larger: Inner = Inner(size=8)
    item: Item | None = None

    rules = (Rule("inner must be smaller", "self.inner.size < self.larger.size", lambda self: True),)


LABELS = {
    "type": "object",
    "default": {},
    "maxProperties": 2,
    "additionalProperties": {"type": "string", "maxLength": 253},
    "x-kubernetes-validations": [
        {"rule": "self.all(key, key.size() <= 253)", "message": "keys must have at most 253 characters"}
    ],
}
INNER = {
    "type": "object",
    "properties": {
        "size": {"type": "integer", "default": 1, "minimum": 0, "exclusiveMinimum": True, "maximum": 8},
        "labels": LABELS,
        "note": {"type": "string", "maxLength": 253},
    },
}
ITEM = {
    "description": "An item.",
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 253},
        "kind": {"type": "string", "default": "A", "enum": ["A"]},
    },
}


def test_a_whole_model() -> None:
    assert structural(Outer, "spec") == {
        "description": "All of it at once.",
        "type": "object",
        "required": ["items"],
        "properties": {
            "items": {"type": "array", "minItems": 1, "maxItems": 2, "items": ITEM, **KEYED},
            "words": {
                "description": "Words, wrapped by the editor.",
                "type": "array",
                "default": [],
                "maxItems": 4,
                "items": {"type": "string", "maxLength": 253},
                "x-kubernetes-list-type": "set",
            },
            "inner": {**INNER, "default": {}},
            "larger": {**INNER, "default": {"size": 8, "labels": {}}},
            "item": ITEM,
        },
        "x-kubernetes-validations": [
            {"rule": "self.inner.size < self.larger.size", "message": "inner must be smaller"}
        ],
    }  # fmt: skip


def test_members_keep_the_order_of_the_model_and_keywords_have_one_order() -> None:
    schema = structural(Outer, "spec")
    assert list(schema["properties"]) == ["items", "words", "inner", "larger", "item"]
    assert list(schema["properties"]["words"]) == [
        word for word in refusals.KEYWORDS if word in schema["properties"]["words"]
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_keyword_outside_the_list_is_in_a_kind(kind: Any) -> None:
    for part in ("spec", "status"):
        pending = [structural(kind.model.model_fields[part].annotation, part)]
        while pending:
            node = pending.pop()
            assert set(node) <= set(refusals.KEYWORDS)
            pending.extend(node.get("properties", {}).values())
            pending.extend(node[word] for word in ("items", "additionalProperties") if word in node)


def test_filled_in_adds_defaults_inside_lists_and_leaves_what_is_there() -> None:
    schema = one(a_list(items={"type": "object", "properties": {"a": {**WORD, "default": "x"}, "b": WORD}}))
    assert filled_in(schema, {"field": [{}, {"a": "y"}, {"b": "z"}]}) == {
        "field": [{"a": "x"}, {"a": "y"}, {"a": "x", "b": "z"}]
    }


@pytest.mark.parametrize("kind", ["map", "set"])
def test_a_list_type_refuses_what_the_api_server_calls_duplicate(kind: Literal["map", "set"]) -> None:
    keys = ("name",) if kind == "map" else ()
    same = [Item(name="a"), Item(name="a")] if keys else ["a", "a"]
    with pytest.raises(ValueError, match="Duplicate value"):
        ListType(kind, 9, keys).without_duplicates(same)
    assert ListType("atomic", 9).without_duplicates(same) == same
