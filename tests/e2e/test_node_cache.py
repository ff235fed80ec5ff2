"""A folder of the node as a cache, under a real kubelet: one download for all pods, whatever becomes of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.cluster.cluster import users_kubeconfig
from tests.cluster.node import Node
from tests.stage import digits as numbers
from tests.stage.files import Passage, served
from tests.stage.kubectl import Kubectl
from tests.stage.product import Product, is_ready

pytestmark = pytest.mark.skipif(users_kubeconfig() is not None, reason="only links of our own can be made thin")

DEVICE = "pi-0"
PAIR = ("digits-one", "digits-two")
SIZE, PATH = 2**19, "/digits.onnx"
USER = 65532


@pytest.fixture
def privileged(product: Product) -> Iterator[Product]:
    """A namespace where pods may mount folders of the node, with an empty cache of its own."""
    name = f"edgewise-cached-{secrets.token_hex(2)}"
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    product.system.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    kubectl = Kubectl(product.cluster.kubeconfig, name)
    yield replace(product, kubectl=kubectl)
    product.cluster[DEVICE].heal()
    # First what the operator works at: a namespace that is ending refuses it every write.
    kubectl("delete", "edgedeployments,edgemodels", "--all", "--wait=true")
    product.system("delete", "namespace", name, "--wait=false")


def test_one_download_serves_two_deployments_through_a_kill_and_new_pods(privileged: Product) -> None:
    device = privileged.cluster[DEVICE]
    device.slow(rate=1e6)
    with served(privileged.cluster) as files:
        killed = list[str]()

        def kill(passage: Passage) -> None:
            killed.append(passage.address)
            device.kill_container(pod_at(privileged, passage.address), "runtime", privileged.kubectl.namespace)

        files.breaks_off = AtHalf(kill).breaks_off
        content = numbers.weighing(SIZE, seed=1)
        privileged.kubectl.apply(
            numbers.edge_model("1.1.0", files.add(PATH, content)), *(deployment(name) for name in PAIR)
        )
        for name in PAIR:
            privileged.kubectl.wait_ready("edgedeployment", name, 120)
        began, went_on = files.passages
        assert (began.offset, killed) == (0, [began.address])
        assert 0 < went_on.offset <= began.given
        assert files.given(PATH, DEVICE) < 1.1 * len(content)
        assert sum(restarts(privileged, name) for name in PAIR) == 1
        device.heal()

        files.contents.clear()
        asked = len(files.passages)
        for name in PAIR:
            replace_pod(privileged, name)
        assert len(files.passages) == asked, "a pod was replaced, and its model was asked for again"
    assert owners(device, privileged.kubectl.namespace) == {USER}


def test_what_was_there_before_a_power_cut_is_not_fetched_again(privileged: Product) -> None:
    device, name = privileged.cluster[DEVICE], PAIR[0]
    device.slow(rate=1e6)
    with served(privileged.cluster) as files:
        files.breaks_off = AtHalf(lambda _: device.reboot()).breaks_off
        content = numbers.weighing(SIZE, seed=2)
        privileged.kubectl.apply(numbers.edge_model("1.1.0", files.add(PATH, content)), deployment(name))
        privileged.kubectl.wait_ready("edgedeployment", name, 180)
        began, went_on = files.passages
    assert 0 < went_on.offset <= began.given
    assert files.given(PATH, DEVICE) < 1.1 * len(content)


@dataclass
class AtHalf:
    """Does something once, when half of the file was given."""

    act: Callable[[Passage], None]
    done: bool = False

    def breaks_off(self, passage: Passage) -> bool:
        if not self.done and passage.given > SIZE / 2:
            self.done = True
            self.act(passage)
        return False


def pod_at(product: Product, address: str) -> str:
    pods = (product.pods(name)[DEVICE] for name in PAIR)
    return next(str(pod["metadata"]["name"]) for pod in pods if pod["status"]["podIP"] == address)


def deployment(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "edgewise.dev/v1alpha1",
        "kind": "EdgeDeployment",
        "metadata": {"name": name},
        "spec": {
            "models": [{"name": "digits"}],
            "placement": {"nodeSelector": {"kubernetes.io/hostname": DEVICE}},
            "serving": {"cache": {"type": "HostPath"}},
        },
    }


def restarts(product: Product, name: str) -> int:
    return int(product.pods(name)[DEVICE]["status"]["containerStatuses"][0]["restartCount"])


def replace_pod(product: Product, name: str) -> None:
    """Returns when its successor serves."""
    before = product.pods(name)[DEVICE]["metadata"]
    product.kubectl("delete", "pod", before["name"], "--wait=false")

    def successor() -> bool | None:
        pod = product.pods(name).get(DEVICE)
        return (pod is not None and pod["metadata"]["uid"] != before["uid"] and is_ready(pod)) or None

    product.kubectl.wait(f"a new pod of {name} serves", successor, 60)


def owners(device: Node, namespace: str) -> set[int]:
    """Of everything in the namespace's cache on the node."""
    folder = device.cache_folder / namespace / "models"
    return {path.stat().st_uid for path in (folder, *folder.rglob("*"))}
