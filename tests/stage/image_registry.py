"""A registry on the host, where the nodes of the embedded cluster look for one: Debian's docker-registry."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.cluster.containerd import HOST_REGISTRY
from tests.cluster.process import with_parent
from tests.cluster.waiting import wait_for


@contextmanager
def host_registry(folder: Path) -> Iterator[None]:
    """Where the nodes of the cluster look for it, until the block ends."""
    configuration = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
        "http": {"addr": HOST_REGISTRY},
    }
    (folder / "registry.yml").write_text(yaml.safe_dump(configuration))
    with (folder / "registry.log").open("wb") as log:
        command = with_parent(["docker-registry", "serve", str(folder / "registry.yml")])
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for("the registry listens", _listens)
        yield
    finally:
        process.kill()
        process.wait()


def _listens() -> bool:
    host, _, port = HOST_REGISTRY.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
