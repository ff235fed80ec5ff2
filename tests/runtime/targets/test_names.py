"""Targets whose name cannot be looked up: a device that is cut off has no name server."""

from __future__ import annotations

import socket
import threading
from typing import Any

import numpy as np
import pytest

from edgewise_runtime.escalation.targets import Targets
from tests.runtime.targets.asking import linear, refusal, target

QUESTION = linear(np.ones((1, 2), np.float32))


@pytest.mark.parametrize("protocol", ["http", "grpc"])
async def test_a_name_server_that_is_silent_holds_one_thread_and_not_one_for_each_question(
    protocol: str, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that is cut off asks it for a minute and more; a process has few threads for that, and reports and
    downloads need them, too."""
    silent, asked, lookup = threading.Event(), list[str](), socket.getaddrinfo

    def wait(host: str, *arguments: Any, **options: Any) -> Any:
        asked.append(host)
        silent.wait(20)
        return lookup("127.0.0.1", *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    cloud = target(f"{protocol}://cloud.example:1", timeoutSeconds=0.05)
    for _ in range(5):
        assert (await refusal(targets, cloud, QUESTION)).result == "timeout"
    silent.set()
    assert asked == ["cloud.example"]
