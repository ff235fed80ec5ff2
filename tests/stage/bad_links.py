"""An update of all devices over links as the field has them: thin, lossy, and cut three times each while it goes on.

What `tests/e2e/test_bad_links.py` wants of it is that it works; what it costs is measured by `make bench-ota`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.cluster.node import Node
from tests.cluster.nodes import EDGE_ROLE
from tests.cluster.progress import say
from tests.stage import digits, examples, traffic
from tests.stage.files import Files, Passage, served
from tests.stage.local_clients import on_every_device
from tests.stage.product import Product

RATE = 1e6  # bits a second
LOSS = 0.05
DELAY = 0.02  # seconds a way
CUTS = (0.2, 0.45, 0.7)
"""A link is cut when its device was given these shares of the file."""
AWAY = 2.5  # seconds; the server has forgotten the connection by then
SIZE = 2**20
VERSION = "1.3.0"
_PATH = "/digits-1.3.0.onnx"


@dataclass(frozen=True)
class Course:
    """How it went on one device."""

    cuts: int
    """That its link had while the file was under way."""
    requests: int
    given: float
    """Bytes that the server put on the link / the file's: twice what was sent twice; what TCP repeats is not in it."""
    carried: float
    """Bytes of all frames that reached the device meanwhile, of whatever connection / the file's."""
    answers: traffic.Answers
    """What a client on the device heard all the while."""


@dataclass(frozen=True)
class Outcome:
    """seconds: until the last device served it. courses: by node."""

    seconds: float
    courses: dict[str, Course]


@dataclass
class Cutter:
    """Cuts a device's link whenever it has been given another share of the file."""

    files: Files
    size: int
    done: dict[str, int] = field(default_factory=dict)

    def breaks_off(self, passage: Passage) -> bool:
        cuts = self.done.get(passage.node, 0)
        if cuts == len(CUTS) or self.files.given(passage.path, passage.node) < CUTS[cuts] * self.size:
            return False
        self.done[passage.node] = cuts + 1
        node = self.files.cluster[passage.node]
        node.cut()
        time.sleep(AWAY)
        node.plug()
        return True


def update(product: Product) -> Outcome:
    """Digits of 1 MiB on every device; links are whole before and after."""
    with served(product.cluster) as files, on_every_device(product) as clients:
        content = digits.weighing(SIZE, seed=3)
        cutter = Cutter(files, len(content))
        files.breaks_off = cutter.breaks_off
        with _bad(product) as devices:
            began, before = time.monotonic(), {node.name: node.link.carried for node in devices}
            product.kubectl.apply(digits.edge_model(VERSION, files.add(_PATH, content)))
            examples.wait_version(product, VERSION, 300)
            seconds = time.monotonic() - began
            carried = {node.name: (node.link.carried - before[node.name]) / len(content) for node in devices}
        say(f"given to {len(devices)} devices in {len(files.passages)} requests, {seconds:.0f} s")
        courses = {
            name: Course(
                cuts=cutter.done.get(name, 0),
                requests=sum(passage.node == name for passage in files.passages),
                given=files.given(_PATH, name) / len(content),
                carried=carried[name],
                answers=client.stop(),
            )
            for name, client in clients.items()
        }
    return Outcome(seconds, courses)


@contextmanager
def _bad(product: Product) -> Iterator[list[Node]]:
    """The devices, behind bad links until the block ends."""
    devices = [node for node in product.cluster.nodes.values() if EDGE_ROLE in node.spec.labels]
    try:
        product.cluster.each(lambda node: node.slow(DELAY, LOSS, RATE), devices)
        yield devices
    finally:
        product.cluster.each(Node.heal, devices)
