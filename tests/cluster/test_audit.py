"""What counts as a call."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.audit import Call, calls


def event(
    number: int, verb: str, user: str | None = "operator", code: int = 200, **reference: str
) -> Mapping[str, Any]:
    """One line of an audit log."""
    return {
        "auditID": str(number),
        "verb": verb,
        "user": {} if user is None else {"username": user},
        "requestURI": "/readyz?verbose",
        "responseStatus": {"code": code},
        **({"objectRef": reference} if reference else {}),
    }


EVENTS = [
    event(1, "patch", resource="edgedeployments", subresource="status"),
    event(2, "patch", resource="edgedeployments", subresource="status", code=409),
    event(3, "watch", resource="nodes"),
    event(3, "watch", resource="nodes"),  # the same request, when it ends
    event(4, "get", user="admin"),
    event(6, "get", user=None, code=401, resource="pods"),
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.log"
    path.write_text("".join(json.dumps(line) + "\n" for line in EVENTS) + '{"auditID": "5", "ve')
    return path


def test_calls_are_counted_by_user_verb_and_resource(log: Path) -> None:
    assert calls(log) == {
        Call("operator", "patch", "edgedeployments/status"): 2,
        Call("operator", "watch", "nodes"): 1,
        Call("admin", "get", "/readyz"): 1,
        Call("", "get", "pods"): 1,
    }


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"user": "operator"}, 3),
        ({"verb": "watch"}, 1),
        ({"resource": "edgedeployments/status"}, 2),
        ({"code": 409}, 1),
    ],
)
def test_calls_can_be_narrowed(log: Path, asked: dict[str, Any], count: int) -> None:
    assert calls(log, **asked).total() == count
