"""docs/reference/openapi.yaml is what the server does."""

from __future__ import annotations

from tests.runtime.fuzz import openapi
from tests.runtime.fuzz.device import FuzzedDevice


def test_answers_are_what_the_document_says(fuzzed: FuzzedDevice) -> None:
    assert openapi.send(fuzzed.http_port, examples=10, seed=1) > 200
