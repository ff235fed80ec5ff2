"""etcd, the API server, the controller manager and the scheduler of one cluster, from one folder.

Both sizes of cluster use it: the API server alone with ports and folder of its own, the full one on fixed ports.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.cluster import audit, binaries
from tests.cluster.client import Client
from tests.cluster.pki import Authority, Certificate
from tests.cluster.process import Process, Records
from tests.cluster.waiting import wait_for

SERVICE_NETWORK = "10.96.0.0/16"
SERVICE_ADDRESS = "10.96.0.1"
POD_NETWORK = "10.244.0.0/16"
_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
_MASTERS = ("system:masters",)


@dataclass(frozen=True)
class Endpoint:
    """Where a control plane listens; `advertised` is what pods reach it by, None where there are no pods."""

    bind: str
    port: int
    etcd_port: int
    advertised: str | None = None


class ControlPlane:
    """The control plane whose data, keys and process records lie in `folder`."""

    def __init__(self, folder: Path, endpoint: Endpoint, launch: Callable[[Sequence[str]], Sequence[str]] = tuple):
        self.folder = folder
        self.endpoint = endpoint
        self.processes = Records(folder / "control-plane")
        self.authority = Authority(folder / "pki")
        self.url = f"https://{endpoint.bind}:{endpoint.port}"
        self.audit_log = folder / "audit.log"
        self.kubeconfig = self.authority.folder / "admin.kubeconfig"
        self._launch = launch

    @cached_property
    def admin(self) -> Certificate:
        """The certificate of an administrator."""
        return self.authority.issue("admin", "admin", _MASTERS)

    @cached_property
    def client(self) -> Client:
        """The harness's own client, another user than the tests', so that the audit log tells them apart."""
        return Client(self.url, self.authority.ca, self.authority.issue("harness", "harness", _MASTERS))

    @property
    def is_running(self) -> bool:
        """Whether etcd and the API server run."""
        return all(process and process.alive for process in map(self.processes.get, ("etcd", "kube-apiserver")))

    def start(self) -> None:
        """Starts etcd and the API server, and returns when the latter is ready (2 to 5 seconds)."""
        self.authority.kubeconfig("admin", self.url, "admin", _MASTERS)
        self._start("etcd", *self._etcd_flags())
        server = self._start("kube-apiserver", *self._api_server_flags())
        wait_for("the API server is ready", self.client.ready, server)

    def start_controllers(self, *flags: str) -> None:
        """Starts the controller manager, with more of its flags if wanted."""
        self._start("kube-controller-manager", *self._controller_flags(), *flags)

    def start_scheduler(self) -> None:
        """Starts the scheduler."""
        kubeconfig = self.authority.kubeconfig("scheduler", self.url, "system:kube-scheduler")
        self._start("kube-scheduler", f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0")

    def stop(self) -> None:
        """Ends whatever runs of it, at once: nobody reads its data again."""
        self.processes.stop(grace=0)

    def _start(self, component: str, *flags: str) -> Process:
        command = [str(binaries.cluster()), component, *flags]
        return self.processes.start(component, self._launch(command))

    def _etcd_flags(self) -> list[str]:
        client = f"http://127.0.0.1:{self.endpoint.etcd_port}"
        return [
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            "--listen-peer-urls=http://127.0.0.1:0",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def _api_server_flags(self) -> list[str]:
        pki, endpoint = self.authority, self.endpoint
        pki.create()
        hosts = (*_NAMES, "127.0.0.1", SERVICE_ADDRESS, *filter(None, [endpoint.advertised]))
        serving = pki.issue("kube-apiserver", "kube-apiserver", hosts=hosts)
        policy = self.folder / "audit-policy.yaml"
        policy.write_text(audit.POLICY)
        return [
            f"--etcd-servers=http://127.0.0.1:{endpoint.etcd_port}",
            f"--bind-address={endpoint.bind}",
            f"--secure-port={endpoint.port}",
            *_advertise(endpoint),
            f"--client-ca-file={pki.ca}",
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
            f"--service-account-key-file={pki.service_account_public}",
            f"--service-account-signing-key-file={pki.service_account_key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged",
            f"--kubelet-client-certificate={self.admin.certificate}",
            f"--kubelet-client-key={self.admin.key}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self.audit_log}",
            "--audit-log-maxsize=4096",
        ]

    def _controller_flags(self) -> list[str]:
        pki = self.authority
        kubeconfig = pki.kubeconfig("controller-manager", self.url, "system:kube-controller-manager")
        return [
            f"--kubeconfig={kubeconfig}",
            f"--service-account-private-key-file={pki.service_account_key}",
            f"--root-ca-file={pki.ca}",
            f"--cluster-signing-cert-file={pki.ca}",
            f"--cluster-signing-key-file={pki.ca_key}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        ]


def _advertise(endpoint: Endpoint) -> list[str]:
    if endpoint.advertised:
        return [f"--advertise-address={endpoint.advertised}", "--endpoint-reconciler-type=lease"]
    # An address of the documentation network: one must be given, and without endpoints nobody hears of it.
    return ["--advertise-address=192.0.2.1", "--endpoint-reconciler-type=none"]
