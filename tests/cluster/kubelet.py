"""The kubelet and kube-proxy of one node: their configuration and command lines."""

import json
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.controlplane import POD_NETWORK
from tests.cluster.dns import CLUSTER_DNS
from tests.cluster.machine import Machine
from tests.cluster.pki import Authority

# A node is NotReady 20 s after its last lease renewal instead of 50 s: shorter tests, the same course of events.
LEASE_SECONDS = 20
MONITOR_FLAGS = (f"--node-monitor-grace-period={LEASE_SECONDS}s", "--node-monitor-period=2s")
# What docs/devices-offline.md advises people with bad links to give their agents. By default a kubelet waits 45 s for a
# dead connection, even when the link is back, and is then slow to see that it counts as not ready.
_CONNECTION_CHECKS = ("HTTP2_READ_IDLE_TIMEOUT_SECONDS=5", "HTTP2_PING_TIMEOUT_SECONDS=5")
_STATUS_FREQUENCY = "5s"


def kubelet(machine: Machine, authority: Authority, url: str) -> list[str]:
    """Writes the kubelet's files; returns the command to run on the machine."""
    spec = machine.spec
    user = f"system:node:{spec.name}"
    kubeconfig = authority.kubeconfig(f"kubelet-{spec.name}", url, user, ("system:nodes",))
    config = machine.disk / "kubelet.json"
    config.write_text(json.dumps(_configuration(machine, authority), indent=1))
    return [
        "env",
        *_CONNECTION_CHECKS,
        str(binaries.cluster()),
        "kubelet",
        f"--kubeconfig={kubeconfig}",
        f"--config={config}",
        f"--hostname-override={spec.name}",
        f"--node-ip={spec.address}",
    ]


def kube_proxy(machine: Machine, authority: Authority, url: str) -> list[str]:
    """The command that runs kube-proxy on the machine; it leaves the host's conntrack limits alone."""
    # A name for each node: nodes start at the same time, and each writes its own key and certificate.
    kubeconfig = authority.kubeconfig(f"kube-proxy-{machine.spec.name}", url, "system:kube-proxy")
    return [
        "env",
        *_CONNECTION_CHECKS,
        str(binaries.cluster()),
        "kube-proxy",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={machine.spec.name}",
        f"--cluster-cidr={POD_NETWORK}",
        "--proxy-mode=iptables",
        "--conntrack-max-per-core=0",
        "--healthz-bind-address=",
    ]


def _configuration(machine: Machine, authority: Authority) -> dict[str, object]:
    spec = machine.spec
    serving = authority.issue(f"serving-{spec.name}", spec.name, hosts=(spec.name, spec.address))
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority.ca)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(serving.certificate),
        "tlsPrivateKeyFile": str(serving.key),
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": machine.cgroup.path,
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [CLUSTER_DNS],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "healthzPort": 0,
        "nodeLeaseDurationSeconds": LEASE_SECONDS,
        "nodeStatusUpdateFrequency": _STATUS_FREQUENCY,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "serializeImagePulls": False,
        "volumePluginDir": str(_folder(machine.disk / "volume-plugins")),
    }


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
