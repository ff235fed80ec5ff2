"""The wire between a node and the site's switch (a bridge): it can be cut, healed, made slow and made thin.

A slow wire goes through a TAP device and `relay.py`, since many kernels have no netem. Offloads are off from the start:
what the relay carries are real frames, with real checksums.
"""

import sys
from pathlib import Path

from tests.cluster import paths
from tests.cluster.command import run, succeeds
from tests.cluster.host import BRIDGE
from tests.cluster.nodes import NodeSpec
from tests.cluster.process import Records
from tests.cluster.waiting import wait_for

OFFLOADS_OFF = ("tx", "off", "tso", "off", "gso", "off", "gro", "off")


class Link:
    """The host's end of a node's wire; `name` is the interface."""

    def __init__(self, spec: NodeSpec) -> None:
        self.spec = spec
        self.name = f"ew-{spec.name}"
        self.tap = f"ewt-{spec.name}"
        self._relays = Records(paths.STATE / "relays")

    def connect(self) -> None:
        """Plugs the wire in, and routes the node's pod network over it."""
        run("ethtool", "-K", self.name, *OFFLOADS_OFF)
        run("ip", "link", "set", self.name, "master", BRIDGE, "up")
        run("ip", "route", "replace", self.spec.pod_network, "via", self.spec.address, "dev", BRIDGE)

    def remove(self) -> None:
        """Takes the wire away, both ends; a machine that lost its power may have taken one along."""
        self._relays.stop(self.spec.name)
        _delete(self.tap)
        _delete(self.name)
        succeeds("ip", "route", "delete", self.spec.pod_network)

    @property
    def exists(self) -> bool:
        """Whether the wire is there at all."""
        return _exists(self.name)

    @property
    def is_cut(self) -> bool:
        """Whether the wire is unplugged."""
        flags = int(Path(f"/sys/class/net/{self.name}/flags").read_text(), 16)
        return not flags & 1

    @property
    def is_slow(self) -> bool:
        """Whether the wire goes through a relay."""
        return _exists(self.tap)

    @property
    def carried(self) -> int:
        """Bytes of the frames that went to the node so far."""
        return int(Path(f"/sys/class/net/{self.name}/statistics/tx_bytes").read_text())

    def cut(self) -> None:
        """Unplugs the wire: the node loses its carrier, its pods and local addresses go on."""
        run("ip", "link", "set", self.name, "down")

    def plug(self) -> None:
        """Plugs the wire in again, as it was."""
        run("ip", "link", "set", self.name, "up")

    def heal(self) -> None:
        """Plugs the wire in again, at full speed."""
        self.unslow()
        self.plug()

    def slow(self, delay: float, loss: float, rate: float) -> None:
        """Delays every frame by `delay` seconds a way, drops the share `loss` (0 to 1) of them, and lets `rate` bits a
        second through, either way."""
        self.unslow()
        run("ip", "tuntap", "add", "dev", self.tap, "mode", "tap")
        run("ip", "link", "set", self.tap, "up")
        relay = [sys.executable, str(paths.HERE / "relay.py"), self.tap, self.name, *map(str, (delay, loss, rate / 8))]
        process = self._relays.start(self.spec.name, relay)
        wait_for(f"the relay of {self.spec.name} carries", self._carries, process)
        run("ip", "link", "set", self.name, "nomaster")
        run("ip", "link", "set", self.tap, "master", BRIDGE)

    def unslow(self) -> None:
        """Puts the wire back into the bridge itself."""
        self._relays.stop(self.spec.name)
        if _exists(self.tap):
            _delete(self.tap)
            run("ip", "link", "set", self.name, "master", BRIDGE)

    def _carries(self) -> bool:
        return Path(f"/sys/class/net/{self.tap}/carrier").read_text().strip() == "1"


def _exists(interface: str) -> bool:
    return Path(f"/sys/class/net/{interface}").exists()


def _delete(interface: str) -> None:
    # The kernel deletes a wire too, some time after the network at its other end is gone.
    while _exists(interface):
        succeeds("ip", "link", "delete", interface)
