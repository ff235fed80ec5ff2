"""The whole cluster: a control plane on the host, the nodes of `nodes.FLEET`, cluster DNS. One a machine.

cluster = Cluster()
cluster.up()
cluster["coral-0"].cut()
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.cluster import binaries, busybox, dns, host, paths
from tests.cluster.client import Client
from tests.cluster.command import run
from tests.cluster.controlplane import ControlPlane, Endpoint
from tests.cluster.crowd import gather
from tests.cluster.kubelet import MONITOR_FLAGS
from tests.cluster.locking import exclusive
from tests.cluster.node import Node
from tests.cluster.nodes import FLEET, NodeSpec
from tests.cluster.prerequisites import install_missing
from tests.cluster.progress import say, step
from tests.cluster.teardown import teardown

_ENDPOINT = Endpoint(host.GATEWAY, 16443, 12379, advertised=host.GATEWAY)
# K3s makes one for each runtime that it finds on a device; here every device has runc.
_RUNTIME_CLASSES = {"nvidia": "runc"}


class Cluster:
    """Handle on the machine's cluster, up or not; `cluster[name]` is a node."""

    def __init__(self, fleet: Iterable[NodeSpec] = FLEET) -> None:
        self.fleet = tuple(fleet)
        self._attach()

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of an administrator: the user's own when the environment names one, else this cluster's."""
        return users_kubeconfig() or self.plane.kubeconfig

    @property
    def client(self) -> Client:
        """The harness's own client of the API server."""
        return self.plane.client

    @property
    def audit_log(self) -> Path:
        """The API server's audit log, for `audit.calls`."""
        return self.plane.audit_log

    def up(self) -> None:
        """Starts what does not run and heals every link; what a dead cluster has left is cleared away first."""
        own = users_kubeconfig()
        if own:
            say(f"using the cluster of KUBECONFIG={own}")
            run(binaries.kubectl(), "--kubeconfig", own, "get", "--raw", "/readyz")
            return
        install_missing()
        with exclusive("cluster"):
            if not self.plane.is_running:
                self._clear()
            host.prepare()
            self._start()

    def down(self) -> None:
        """Leaves nothing behind; safe to repeat, and after any crash."""
        with exclusive("cluster"), step("take the cluster down"):
            self._clear()

    def each(self, act: Callable[[Node], object], nodes: Iterable[Node] | None = None) -> None:
        """Does something on these nodes (all) at the same time."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(act, self.nodes.values() if nodes is None else nodes))

    def load_image(self, archive: Path, nodes: Iterable[str] = ()) -> None:
        """Imports an image archive into these nodes (all), unless it is there."""
        with step(f"load {archive.name}"):
            self.each(lambda node: node.load(archive), [self.nodes[name] for name in nodes or self.nodes])

    def crowd(self, count: int) -> None:
        """Has exactly `count` simulated nodes besides the real ones."""
        with step(f"simulate {count} nodes"):
            gather(self.plane, count)

    def _attach(self) -> None:
        self.plane = ControlPlane(paths.STATE, _ENDPOINT)
        self.nodes = {spec.name: Node(spec, self.plane) for spec in self.fleet}

    def _clear(self) -> None:
        teardown()
        self._attach()

    def _start(self) -> None:
        missing = [node for node in self.nodes.values() if not node.is_running]
        with ThreadPoolExecutor() as pool, step("start the control plane, boot the nodes"):
            booting = [pool.submit(node.boot, [busybox.archive()]) for node in missing]
            self._start_control_plane()
            for boot in booting:
                boot.result()
        with step("wait for the nodes to be Ready"):
            self.each(Node.join, missing)
            self.each(Node.heal)
            self.each(Node.wait_ready)

    def _start_control_plane(self) -> None:
        self.plane.start()
        self.plane.start_controllers(*MONITOR_FLAGS)
        self.plane.start_scheduler()
        for name, handler in _RUNTIME_CLASSES.items():
            body = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}}
            self.client.apply(f"/apis/node.k8s.io/v1/runtimeclasses/{name}", {**body, "handler": handler})
        dns.start(self.plane)


def users_kubeconfig() -> Path | None:
    """The cluster that the environment asks for instead of ours."""
    named = os.environ.get("KUBECONFIG")
    return Path(named) if named and not Path(named).is_relative_to(paths.STATE) else None
