"""docs/reference/openapi.yaml is what the server does."""

from __future__ import annotations

import pytest
import yaml

from tests.runtime.fuzz import openapi
from tests.runtime.fuzz.device import FuzzedDevice
from tests.runtime.guarded import TOKEN
from tests.runtime.serving import Running

DESCRIBED = yaml.safe_load(openapi.DOCUMENT.read_text())
OPERATIONS = [
    (method, path, operation.get("security", DESCRIBED["security"]) != [])
    for path, operations in DESCRIBED["paths"].items()
    for method, operation in operations.items()
    if method != "parameters"
]


def test_answers_are_what_the_document_says(fuzzed: FuzzedDevice) -> None:
    assert openapi.send(fuzzed.http_port, examples=10, seed=1) > 200


@pytest.mark.parametrize(("method", "path", "guarded"), OPERATIONS)
async def test_who_needs_a_token_is_what_the_document_says(
    method: str, path: str, guarded: bool, with_tokens: Running
) -> None:
    target = path.format(model="linear", version="1")
    async with with_tokens.http.request(method, target) as answer:
        assert answer.headers.get("WWW-Authenticate") == ("Bearer" if guarded else None)
        assert answer.status == (401 if guarded else 200)
    async with with_tokens.http.request(method, target, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
        assert answer.status not in (401, 404, 405)
