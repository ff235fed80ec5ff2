"""Emulation changes the machine, and changes it back."""

import subprocess
import sys

import pytest

from tests.arm64.device import ARM64
from tests.cluster import paths
from tests.cluster.emulation import emulates, emulation, leftovers, release
from tests.cluster.platforms import NATIVE

pytestmark = [
    pytest.mark.arm64,
    pytest.mark.skipif(ARM64 == NATIVE or emulates(ARM64), reason="this machine runs arm64 programs anyway"),
]

DIES_WITHIN = "import os; from tests.arm64.test_emulation import *\nwith emulation(ARM64): os.kill(os.getpid(), 9)"


def test_a_machine_is_left_as_it_was_found() -> None:
    with emulation(ARM64):
        assert leftovers()
    assert leftovers() == []


def test_what_a_killed_process_left_is_taken_back_by_the_next_or_by_cluster_down() -> None:
    for clean in (release, lambda: test_a_machine_is_left_as_it_was_found()):
        killed = subprocess.run([sys.executable, "-c", DIES_WITHIN], cwd=paths.REPOSITORY, check=False)
        assert killed.returncode == -9
        assert leftovers()
        clean()
        assert leftovers() == []
