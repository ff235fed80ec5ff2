"""A real API server in a few seconds, for tests of what speaks to one: etcd, kube-apiserver, nothing else.

    with api_server() as api:
        subprocess.run([binaries.kubectl(), "--kubeconfig", api.kubeconfig, "get", "namespaces"])

Any number run at the same time: each has free ports and a folder of its own, and goes with the program that started it,
even when that is killed. Without `controllers` nothing acts on objects: namespaces stay in deletion, no garbage is
collected, DaemonSets make no pods.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.client import Client
from tests.cluster.controlplane import ControlPlane, Endpoint
from tests.cluster.ports import free_port
from tests.cluster.process import with_parent


class ApiServer:
    """What a client needs to know of a running API server; `client_cert` and `client_key` are an administrator's."""

    def __init__(self, plane: ControlPlane) -> None:
        self.url = plane.url
        self.kubeconfig = plane.kubeconfig
        self.ca = plane.authority.ca
        self.client_cert = plane.admin.certificate
        self.client_key = plane.admin.key
        self.audit_log = plane.audit_log
        self.client: Client = plane.client
        self._authority = plane.authority

    def kubeconfig_for(self, user: str, *groups: str) -> Path:
        """A kubeconfig for another user, to see what RBAC lets that one do."""
        return self._authority.kubeconfig(_file_name(user), self.url, user, groups)

    def client_for(self, user: str, *groups: str) -> Client:
        """A client as another user, for requests that kubectl does not send."""
        return Client(self.url, self.ca, self._authority.issue(_file_name(user), user, groups))


@contextmanager
def api_server(controllers: str = "", audit_log: Path | None = None) -> Iterator[ApiServer]:
    """A running API server; gone, with all it stored, at the end of the block.

    `controllers` is the controller manager's `--controllers`, such as `*` or `namespace-controller`; empty: none
    runs. The audit log is kept at `audit_log` afterwards when that is given.
    """
    folder = Path(tempfile.mkdtemp(prefix="edgewise-api-"))
    plane = ControlPlane(folder, Endpoint("127.0.0.1", free_port(), free_port()), with_parent)
    try:
        plane.start()
        if controllers:
            plane.start_controllers(f"--controllers={controllers}")
        yield ApiServer(plane)
    finally:
        plane.stop()
        if audit_log and plane.audit_log.exists():
            shutil.copy(plane.audit_log, audit_log)
        shutil.rmtree(folder)


def _file_name(user: str) -> str:
    return user.replace(":", "-").replace("/", "-")
