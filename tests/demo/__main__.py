"""Runs the demo from nothing to the last scene."""

import os
import time
from pathlib import Path

from tests.cluster.cluster import users_kubeconfig
from tests.demo.scenes import SCENES
from tests.demo.screen import Programme, console, save
from tests.stage.product import DEMO, SYSTEM, raise_curtain

TAKE_DOWN_OWN = f"helm uninstall -n {SYSTEM} edgewise; kubectl delete namespace {DEMO} {SYSTEM}"


def main() -> None:
    began = time.monotonic()
    programme = Programme()
    with programme.scene("A cluster, the images, the chart"):
        product = raise_curtain(os.environ.get("REGISTRY", ""))
    for title, play in SCENES:
        with programme.scene(title):
            play(product, programme)
    programme.finish(time.monotonic() - began)
    console.print(
        f"\nLook around:  export KUBECONFIG={product.cluster.kubeconfig}\n"
        f"              kubectl -n {DEMO} get edgedeployments,edgemodels -o wide; kubectl get deviceprofiles\n"
        f"Take it down: {TAKE_DOWN_OWN if users_kubeconfig() else 'make cluster-down'}"
    )
    save(Path("build/demo.svg"))


if __name__ == "__main__":
    main()
