"""Runs the demo from nothing to the last scene."""

import os
import time
from pathlib import Path

from tests.demo.scenes import SCENES
from tests.demo.screen import Programme, console, save
from tests.stage.product import DEMO, raise_curtain


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
        "Take it down: make cluster-down"
    )
    save(Path("build/demo.svg"))


if __name__ == "__main__":
    main()
