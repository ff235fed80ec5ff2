"""A device with an emulated processor, for tests and benches: the runtime's image for arm64, run as its pod runs it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.container import Container, Order
from tests.cluster.platforms import named
from tests.cluster.ports import free_port
from tests.runtime.agent.documents import NODE
from tests.runtime.serving import Addresses

(ARM64,) = named("linux/arm64")
PROFILE = "generic-arm64"
_USER = 65532  # of the image


def free_addresses() -> Addresses:
    """On loopback."""
    return Addresses(*(f"127.0.0.1:{free_port()}" for _ in range(3)))


@contextlib.contextmanager
def agent(image: Container, root: Path, **settings: object) -> Iterator[Addresses]:
    """`edgewise-runtime agent` on `root`/plan and `root`/cache, logging to `root`/log; yields before it listens.

    settings: as in Settings, in lower case.
    """
    cache, addresses = root / "cache", free_addresses()
    cache.mkdir(exist_ok=True)
    for path in (cache, *cache.rglob("*")):
        os.chown(path, _USER, _USER)
    who = {"node_name": NODE, "pod_name": "pod-1", "profile": PROFILE, "allow_addresses": "127.0.0.1"}
    where = {"host": "127.0.0.1"} | {f"{name}_port": port(address) for name, address in vars(addresses).items()}
    given = who | where | {"quiet": 0} | settings
    environment = {f"EDGEWISE_{name.upper()}": str(value) for name, value in given.items()}
    folders = {root / "plan": "/etc/edgewise/plan", cache: "/var/cache/edgewise"}
    with image.started(Order(["agent"], environment, folders), root / "log"):
        yield addresses


def port(address: str) -> int:
    """Of `host:port`."""
    return int(address.rpartition(":")[2])
