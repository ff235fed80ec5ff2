"""What is written below a field of a model, for the description of that field. Called by `structural.py`.

pydantic can do it, too (`use_attribute_docstrings`), but reads and parses sources each time a class is made: a third of
what the API costs a device that starts, for texts that are read here alone.
"""

from __future__ import annotations

import ast
import inspect
from functools import cache
from itertools import pairwise
from types import ModuleType

from edgewise.api.base import Model


def docstrings(model: type[Model]) -> dict[str, str]:
    """Field -> its text, cleaned as docstrings are; inherited ones among them, fields without one left out."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, Model):
            found |= _of_module(inspect.getmodule(one)).get(one.__name__, {})
    return {name: text for name, text in found.items() if name in model.model_fields}


@cache
def _of_module(module: ModuleType | None) -> dict[str, dict[str, str]]:
    tree = ast.parse(inspect.getsource(module)) if module is not None else ast.Module([], [])
    return {node.name: _of_class(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _of_class(node: ast.ClassDef) -> dict[str, str]:
    return {
        declared.target.id: inspect.cleandoc(said.value.value)
        for declared, said in pairwise(node.body)
        if isinstance(declared, ast.AnnAssign)
        and isinstance(declared.target, ast.Name)
        and isinstance(said, ast.Expr)
        and isinstance(said.value, ast.Constant)
        and isinstance(said.value.value, str)
    }
