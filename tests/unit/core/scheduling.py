"""What Kubernetes makes of a node affinity, by its documented rules: the other side of core.placement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def admits(affinity: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether required node affinity holds on a node with these labels."""
    terms = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    return any(all(_holds(expression, labels) for expression in term["matchExpressions"]) for term in terms)


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values", [])
    if expression["operator"] == "Exists":
        return key in labels
    if expression["operator"] == "DoesNotExist":
        return key not in labels
    if expression["operator"] == "In":
        return labels.get(key) in values
    if expression["operator"] == "NotIn":
        return labels.get(key) not in values
    raise AssertionError(f"edgewise writes no {expression['operator']}")
