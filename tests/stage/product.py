"""The product, installed: images, namespaces that enforce the restricted Pod Security Standard, the chart."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster import binaries, images
from tests.cluster.cluster import Cluster, users_kubeconfig
from tests.cluster.command import run
from tests.cluster.progress import step
from tests.stage import parts
from tests.stage.kubectl import Kubectl

SYSTEM = "edgewise-system"
DEMO = "edgewise-demo"
CHART = Path("charts/edgewise")
CACHE_ROOT = "/var/lib/edgewise"  # each node of the embedded cluster has its own
FLAVOURS = ("cpu", "openvino", "jetson-6", "jetson-7")


@dataclass(frozen=True)
class Product:
    """A cluster with the chart installed."""

    cluster: Cluster
    images: images.Built
    kubectl: Kubectl
    """In the namespace of the examples."""
    system: Kubectl
    """In the operator's namespace."""

    @property
    def operator_user(self) -> str:
        """The user the operator's calls appear under in the audit log."""
        return f"system:serviceaccount:{SYSTEM}:edgewise"

    def pods(self, deployment: str) -> dict[str, dict[str, Any]]:
        """Node -> runtime pod of a deployment, those being deleted left out. A gateway's are nobody's."""
        found = self.all_pods(deployment)
        return {pod["spec"].get("nodeName", ""): pod for pod in found if "deletionTimestamp" not in pod["metadata"]}

    def all_pods(self, deployment: str) -> list[dict[str, Any]]:
        """Those being deleted, too: a node may have two."""
        ours = f"edgewise.dev/deployment={deployment},edgewise.dev/role=runtime"
        found: list[dict[str, Any]] = self.kubectl.get("pods", "", "-l", ours)["items"]
        return found

    def status(self, deployment: str = "digits") -> dict[str, Any]:
        found: dict[str, Any] = self.kubectl.get("edgedeployment", deployment).get("status", {})
        return found


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether the kubelet says so of it."""
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", ()))


def raise_curtain(registry: str = "") -> Product:
    """Cluster up, images built and there, chart installed and Ready. Quick when all of it already is."""
    cluster = Cluster()
    cluster.up()
    built = images.build(registry)
    images.distribute(cluster, built)
    product = Product(cluster, built, Kubectl(cluster.kubeconfig, DEMO), Kubectl(cluster.kubeconfig, SYSTEM))
    if users_kubeconfig():
        parts.hand_out(product.system)
    with step("helm upgrade --install edgewise charts/edgewise"):
        for kubectl in (product.system, product.kubectl):
            kubectl.apply(restricted(kubectl.namespace))
        install(product)
    return product


def restricted(name: str) -> dict[str, Any]:
    """A namespace that refuses any pod which asks for more than the restricted standard gives."""
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def helm(product: Product, *words: object, binary: Path | None = None) -> str:
    """helm 4, or another one, against the product's cluster."""
    return run(binary or binaries.HELM_4.path(), "--kubeconfig", product.cluster.kubeconfig, "-n", SYSTEM, *words)


def install(product: Product, *more: str, binary: Path | None = None) -> None:
    """Installs or upgrades the chart, and waits until the operator is Ready.

    Every flavour that ONNX Runtime serves runs the cpu image here: the nodes' labels are real, their silicon is a CPU.
    """
    repository, _, tag = product.images["operator"].rpartition(":")
    values: dict[str, Any] = {
        "image": {"repository": repository, "tag": tag},
        "runtimeImages": dict.fromkeys(FLAVOURS, product.images["runtime-cpu"]),
        "nodeSelector": {parts.CLOUD: parts.CLOUD_VALUE},
    }
    if not users_kubeconfig():
        values["cacheRoot"] = CACHE_ROOT
    chosen = [f"--set-json={key}={json.dumps(value)}" for key, value in values.items()]
    helm(product, "upgrade", "--install", "edgewise", CHART, *chosen, *more, "--wait", "--timeout", "3m", binary=binary)


def command(*words: object) -> str:
    """A command line as a person would type it."""
    return shlex.join(str(word) for word in words)
