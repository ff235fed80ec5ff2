"""A device gets another runtime image over a thin link: what it takes from whoever asks it meanwhile.

What `tests/e2e/test_new_image.py` wants of it is that the image is there first; how long nobody answers is measured by
`make bench-ota`. The registry is a real one on the host, at the other end of the link.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tests.cluster import buildah
from tests.cluster.containerd import HOST_REGISTRY
from tests.cluster.layers import with_layer
from tests.cluster.locking import exclusive
from tests.cluster.platforms import NATIVE
from tests.stage import traffic
from tests.stage.image_registry import host_registry
from tests.stage.product import Product, is_ready

NAME = "digits-new-image"
DEVICE = "pi-0"
RATE = 2e6  # bits a second
MORE = 2 * 2**20
"""Bytes of the layer that the new image has besides those of the old one, which the device has."""
ASKED = 20.0  # requests a second
_ALREADY = "already present on machine"


@dataclass(frozen=True)
class Outcome:
    """answers: what a client on the device heard."""

    answers: traffic.Answers
    image: str
    """That the device runs now."""
    was_there: bool
    """Before the pod was replaced for it: its kubelet pulled nothing when it started the new one."""

    @property
    def outage(self) -> float:
        """Seconds without an answer."""
        return self.answers.failed / ASKED


def change(product: Product, seed: int = 1) -> Outcome:
    """From one image to the next on one device, whose link is whole before and after. Another seed, another image."""
    device = product.cluster[DEVICE]
    with tempfile.TemporaryDirectory() as folder, host_registry(Path(folder)), _deployed(product):
        image = _published(product, Path(folder), seed)
        before = product.pods(NAME)[DEVICE]
        url = product.status(NAME)["localURL"]
        client = traffic.start(
            product.kubectl, before["spec"]["containers"][0]["image"], f"{NAME}-client",
            traffic.Client(url, rate=ASKED, node=DEVICE),
        )  # fmt: skip
        client.wait_answered(20)
        try:
            device.slow(rate=RATE)
            patch = json.dumps({"spec": {"serving": {"image": image}}})
            product.kubectl("patch", "edgedeployment", NAME, "--type=merge", "-p", patch)
            after = product.kubectl.wait("a pod with the new image serves", lambda: _with(product, image), 180)
        finally:
            device.heal()
        client.wait_answered(client.answers().answered + 20)
        return Outcome(client.stop(), after["spec"]["containers"][0]["image"], _pulled_nothing(product, after))


@contextmanager
def _deployed(product: Product) -> Iterator[None]:
    """The digits on one device, besides those that are on all."""
    where = {"nodeSelector": {"kubernetes.io/hostname": DEVICE}}
    head = {"apiVersion": "edgewise.dev/v1alpha1", "kind": "EdgeDeployment", "metadata": {"name": NAME}}
    product.kubectl.apply({**head, "spec": {"models": [{"name": "digits"}], "placement": where}})
    try:
        product.kubectl.wait_ready("edgedeployment", NAME, 120)
        yield
    finally:
        product.kubectl("delete", "edgedeployment", NAME, "--wait=false")


def _with(product: Product, image: str) -> dict[str, Any] | None:
    """The device's pod, once it is Ready and has that image."""
    pod = product.pods(NAME).get(DEVICE)
    arrived = pod is not None and pod["spec"]["containers"][0]["image"] == image and is_ready(pod)
    return pod if arrived else None


def _pulled_nothing(product: Product, pod: dict[str, Any]) -> bool:
    about = f"involvedObject.uid={pod['metadata']['uid']},reason=Pulled"
    told = product.kubectl.get("events", "", "--field-selector", about)["items"]
    return bool(told) and all(_ALREADY in event["message"] for event in told)


def _published(product: Product, folder: Path, seed: int) -> str:
    """The reference of the runtime's image with a layer more."""
    old = product.images["runtime-cpu"]
    new = f"{HOST_REGISTRY}/{old.rpartition('/')[2]}-more-{seed}"
    archive = folder / "more.tar"
    with_layer(product.images.archives["runtime-cpu"][NATIVE], archive, Random(seed).randbytes(MORE))
    with exclusive("images"):
        buildah.push([archive], [new], tls=False)
    return new
