"""When an observed status already says what is wanted."""

from __future__ import annotations

from typing import Any

import pytest

from edgewise.controller.status import covers

READY, AUDITED = {"type": "Ready", "status": "True"}, {"type": "Audited", "status": "True"}
CASES: dict[str, tuple[Any, Any, bool]] = {
    "the same": ({"a": 1}, {"a": 1}, True),
    "more than wanted": ({"a": 1, "b": 2}, {"a": 1}, True),
    "less than wanted": ({"a": 1}, {"a": 1, "b": 2}, False),
    "another value": ({"a": 1}, {"a": 2}, False),
    "a condition of somebody else": ({"c": [AUDITED, READY]}, {"c": [READY]}, True),
    "a condition that went": ({"c": [AUDITED]}, {"c": [READY]}, False),
    "another order": ({"c": [READY, AUDITED]}, {"c": [AUDITED, READY]}, True),
    "a member that is none": ({"a": None}, {"a": {"b": 1}}, False),
    "nothing there": (None, {"a": 1}, False),
}


@pytest.mark.parametrize(("observed", "wanted", "covered"), CASES.values(), ids=CASES)
def test_covers(observed: Any, wanted: Any, covered: bool) -> None:
    assert covers(observed, wanted) is covered
