"""Assembles the CustomResourceDefinition of a kind. Called by `files.py`, and by tests that install the kinds."""

from __future__ import annotations

from typing import Any, cast

from edgewise.api.base import Model
from edgewise.api.names import GROUP, VERSION
from edgewise.schema.kinds import Column, Kind
from edgewise.schema.rewrites import Schema
from edgewise.schema.structural import structural

UNSEEN = {"observedGeneration": -1}
"""Status of an object no operator has looked at; without it kstatus (Helm, Flux, Argo CD) calls a new one current."""

CATEGORY = "edgeai"


def crd(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition as the API server takes it. Raises `NotStructuralError`."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd_name},
        "spec": {
            "group": GROUP,
            "names": _names(kind),
            "scope": kind.scope,
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}, **({"scale": kind.scale} if kind.scale else {})},
                    "additionalPrinterColumns": [_column(column) for column in kind.columns],
                    "schema": {"openAPIV3Schema": object_schema(kind)},
                }
            ],
        },
    }


def object_schema(kind: Kind) -> Schema:
    """The schema of whole objects. `metadata` stays bare: the API server checks it, and allows nothing else here."""
    status = _member(kind, "status")
    return {
        "description": " ".join((kind.model.__doc__ or "").split()),
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _member(kind, "spec"),
            "status": {"description": status.pop("description"), "type": "object", "default": UNSEEN, **status},
        },
        "x-kubernetes-validations": [{"rule": rule.cel, "message": rule.message} for rule in kind.model.rules],
    }


def _member(kind: Kind, name: str) -> Schema:
    model = cast("type[Model]", kind.model.model_fields[name].annotation)
    return structural(model, f"{kind.name}.{name}")


def _names(kind: Kind) -> dict[str, Any]:
    return {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.name.lower(),
        "shortNames": [kind.short_name],
        "categories": [CATEGORY],
    }


def _column(column: Column) -> dict[str, Any]:
    wide = {"priority": 1} if column.wide else {}
    return {"name": column.name, "type": column.type, "jsonPath": column.path, **wide}
