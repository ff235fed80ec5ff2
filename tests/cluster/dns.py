"""Cluster DNS: CoreDNS on the host, on the bridge's address, behind the usual cluster IP.

On the host, that is beyond the nodes' links: a cut node has no DNS, as a device that lost its control plane has none.
"""

import socket

from tests.cluster import binaries
from tests.cluster.controlplane import ControlPlane
from tests.cluster.host import GATEWAY
from tests.cluster.waiting import wait_for

CLUSTER_DNS = "10.96.0.10"
_COREFILE = """\
.:53 {{
  bind {address}
  errors
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {kubeconfig}
  }}
  cache 5
}}
"""
_PORTS = [("dns", "UDP"), ("dns-tcp", "TCP")]


def start(plane: ControlPlane) -> None:
    """Starts CoreDNS and gives it its Service."""
    corefile = plane.folder / "Corefile"
    kubeconfig = plane.authority.kubeconfig("coredns", plane.url, "coredns", ("system:masters",))
    corefile.write_text(_COREFILE.format(address=GATEWAY, kubeconfig=kubeconfig))
    process = plane.processes.start("coredns", [str(binaries.COREDNS.path()), "-conf", str(corefile)])
    plane.client.apply("/api/v1/namespaces/kube-system/services/kube-dns", _service())
    slices = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices"
    plane.client.apply(f"{slices}/kube-dns", _endpoints())
    wait_for("CoreDNS listens", _listens, process)


def _listens() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((GATEWAY, 53)) == 0


def _service() -> dict[str, object]:
    ports = [{"name": name, "port": 53, "protocol": protocol} for name, protocol in _PORTS]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"clusterIP": CLUSTER_DNS, "ports": ports},
    }


def _endpoints() -> dict[str, object]:
    labels = {"kubernetes.io/service-name": "kube-dns"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": name, "port": 53, "protocol": protocol} for name, protocol in _PORTS],
        "endpoints": [{"addresses": [GATEWAY]}],
    }
