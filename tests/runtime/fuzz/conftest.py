"""One fuzzed device for a module's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.runtime.fuzz.device import FuzzedDevice, fuzzed_device


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FuzzedDevice]:
    with fuzzed_device(tmp_path_factory.mktemp("fuzz")) as device:
        yield device
        assert device.outcries() == [], device.log.read_text()
