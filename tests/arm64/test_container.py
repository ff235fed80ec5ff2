"""An image run by itself leaves nothing running, however its run ends."""

import subprocess
import sys

import pytest

from tests.cluster import container, paths
from tests.cluster.container import Order, unpacked
from tests.cluster.images import Built
from tests.cluster.platforms import NATIVE

pytestmark = pytest.mark.arm64

DIES_WITHIN = """
import os, sys
from pathlib import Path
from tests.cluster.container import Order, unpacked
order = Order(["-c", "echo started; sleep 600"], entrypoint=["sh"])
with unpacked(Path(sys.argv[1])) as image, image.started(order, Path(os.devnull)) as process:
    process.stdout.readline()
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_run_left_is_ended_by_cluster_down_and_by_the_next_run(built: Built) -> None:
    archive = built.archives["runtime-cpu"][NATIVE]
    killed = [sys.executable, "-c", DIES_WITHIN, str(archive)]
    assert subprocess.run(killed, cwd=paths.REPOSITORY, check=False).returncode == -9
    assert container.leftovers()
    container.release()
    assert container.leftovers() == []
    assert subprocess.run(killed, cwd=paths.REPOSITORY, check=False).returncode == -9
    with unpacked(archive) as image:
        assert image.said(Order(["hello"], entrypoint=["echo"])) == "hello\n"
    assert container.leftovers() == []
