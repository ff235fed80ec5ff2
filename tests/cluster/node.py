"""A real node of the cluster, and everything a test may do to it."""

import math
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.containerd import Containerd
from tests.cluster.controlplane import ControlPlane
from tests.cluster.kubelet import kube_proxy, kubelet
from tests.cluster.machine import Machine
from tests.cluster.nodes import NodeSpec
from tests.cluster.process import Process, Records
from tests.cluster.waiting import NotReadyError, wait_for

_KUBELET_PORT = 10250
_DAEMONS = ("kube-proxy", "kubelet", "containerd")


class Node:
    """containerd, kubelet and kube-proxy on a machine of their own."""

    def __init__(self, spec: NodeSpec, plane: ControlPlane) -> None:
        self.spec = spec
        self.name = spec.name
        self.machine = Machine(spec)
        self.link = self.machine.link
        self.containerd = Containerd(self.machine)
        self.processes = Records(self.machine.disk / "daemons")
        self._plane = plane

    def boot(self, images: Sequence[Path] = ()) -> None:
        """Powers the machine on, and starts containerd with these images; needs no API server."""
        self.machine.power_on()
        self._start_containerd()
        self.load(*images)

    def join(self) -> None:
        """Starts kubelet and kube-proxy, and waits until the API server knows the node; labels it."""
        started, proxy = self._start_daemons()
        wait_for(f"node {self.name} registers", lambda: self._kubelet_listens() and self._registered(), started)
        if not proxy.alive:
            raise NotReadyError(f"kube-proxy of {self.name} has died\n{proxy.log_tail()}")
        self._plane.client.patch(f"/api/v1/nodes/{self.name}", {"metadata": {"labels": dict(self.spec.labels)}})

    def wait_ready(self, ready: bool = True, timeout: float = 90) -> None:
        """Returns when the node is Ready (or no longer is)."""
        what = f"node {self.name} is {'Ready' if ready else 'NotReady'}"
        wait_for(what, lambda: self.is_ready is ready, self.processes.get("kubelet") if ready else None, timeout)

    @property
    def is_ready(self) -> bool:
        """What the API server says of the node."""
        conditions = self._plane.client.get(f"/api/v1/nodes/{self.name}")["status"].get("conditions", [])
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    @property
    def is_running(self) -> bool:
        """Whether the machine is on and all its daemons run."""
        daemons = map(self.processes.get, _DAEMONS)
        return self.machine.is_on and all(daemon and daemon.alive for daemon in daemons)

    def shut_down(self) -> None:
        """Power off; the disk stays."""
        self.machine.power_off()
        self.processes.stop(grace=0)

    def reboot(self) -> None:
        """A power cycle: every container dies, what is on disk stays. Returns when the daemons answer."""
        self.shut_down()
        self.boot()
        self.join()

    def restart_kubelet_and_containerd(self) -> None:
        """Restarts the daemons as an upgrade does, the link up or cut; the containers go on running meanwhile."""
        self.processes.stop()
        self._start_containerd()
        if self.link.is_cut:
            self._start_daemons()  # the kubelet cannot register, and nobody can see from here when it listens
        else:
            self.join()

    @property
    def cache_folder(self) -> Path:
        """Where on the host the node's own /var/lib/edgewise lies."""
        return self.machine.private(Path("/var/lib/edgewise"))

    def cut(self) -> None:
        """Unplugs the node from the network."""
        self.link.cut()

    def heal(self) -> None:
        """Plugs the node in again, at full speed."""
        self.link.heal()

    def plug(self) -> None:
        """Plugs the node in again, its link as slow as it was."""
        self.link.plug()

    def slow(self, delay: float = 0.0, loss: float = 0.0, rate: float = math.inf) -> None:
        """Delays every frame by `delay` seconds a way, drops the share `loss` of them and lets `rate` bits a second
        through, until `heal`."""
        self.link.slow(delay, loss, rate)

    @contextmanager
    def silent_kubelet(self) -> Iterator[None]:
        """Its kubelet stands still while the block runs; containers and network go on."""
        kubelet = self.processes.get("kubelet")
        assert kubelet is not None
        kubelet.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            kubelet.signal(signal.SIGCONT)

    def kill_container(self, pod: str, container: str, namespace: str = "default") -> None:
        """Kills a container's main process."""
        self.containerd.kill(self.containerd.container(pod, container, namespace))

    def exec_in_container(self, pod: str, container: str, argv: Sequence[str], namespace: str = "default") -> str:
        """Standard output of a command run in a container; works on a node whose link is cut."""
        return self.containerd.execute(self.containerd.container(pod, container, namespace), argv)

    def exec_in_netns(self, argv: Sequence[str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs a command on the node's network, with the files of the host."""
        command = self.machine.on_network(argv)
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)

    def load(self, *archives: Path) -> None:
        """Imports image archives that are not there yet."""
        for archive in archives:
            self.containerd.load(archive)

    def _start_daemons(self) -> tuple[Process, Process]:
        """kubelet and kube-proxy."""
        url, authority = self._plane.url, self._plane.authority
        started = self._start("kubelet", kubelet(self.machine, authority, url))
        return started, self._start("kube-proxy", kube_proxy(self.machine, authority, url))

    def _start_containerd(self) -> None:
        process = self._start("containerd", self.containerd.configure())
        wait_for(f"containerd of {self.name} answers", self.containerd.ready, process)

    def _start(self, name: str, argv: Sequence[str]) -> Process:
        return self.processes.start(name, self.machine.inside(argv))

    def _kubelet_listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((self.spec.address, _KUBELET_PORT)) == 0

    def _registered(self) -> bool:
        found = self._plane.client.get("/api/v1/nodes")["items"]
        return any(node["metadata"]["name"] == self.name for node in found)
