"""The examples, applied as their README says."""

import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from examples import fetch, ocr_client, push_oci, vad_client
from tests.cluster.cluster import users_kubeconfig
from tests.stage import parts
from tests.stage.product import Product

EXAMPLES = Path("examples")


def model_store(product: Product) -> None:
    """The HTTP server that holds the digits models (00-model-store)."""
    kustomize(product, EXAMPLES / "00-model-store")
    if not users_kubeconfig():  # not on a device that tests cut off: nobody else could download then
        away = {"spec": {"template": {"spec": {"nodeSelector": {parts.CLOUD: parts.CLOUD_VALUE}}}}}
        product.kubectl("patch", "deployment", "model-store", "--type=merge", "-p", json.dumps(away))
    product.kubectl("rollout", "status", "deployment/model-store", "--timeout=120s")


def cloud_help(product: Product) -> None:
    """A real Triton with the bigger digits model, and devices that ask it when unsure (03-cloud-help)."""
    kustomize(product, EXAMPLES / "03-cloud-help" / "triton")
    apply(product, "03-cloud-help")
    product.kubectl("rollout", "status", "deployment/triton", "--timeout=180s")
    product.kubectl.wait("devices follow the new plan", lambda: followed(product) or None, 60)


def collector(product: Product) -> None:
    """A web server that takes hard examples (09-store-and-forward)."""
    kustomize(product, EXAMPLES / "09-store-and-forward" / "collector")
    product.kubectl("rollout", "status", "deployment/collector", "--timeout=120s")


def second_model(product: Product) -> dict[str, list[tuple[float, float]]]:
    """silero-vad out of its wheel, into a registry, onto every device; recording -> seconds where somebody speaks."""
    fill_registry(product, {"silero_vad.onnx": "silero-vad:6.2.3"})
    apply(product, "04-second-model")
    product.kubectl.wait_ready("edgedeployment", "silero-vad", 120)
    with product.kubectl.forward("svc/silero-vad", 8000) as address:
        ask = vad_client.over_http(address, "silero-vad")
        return {
            recording.stem: vad_client.spoken(
                vad_client.probabilities(vad_client.read_wav(recording), ask), vad_client.Rule()
            )
            for recording in sorted((EXAMPLES / "04-second-model" / "speech").glob("*.wav"))
        }


def pipeline(product: Product) -> ocr_client.Page:
    """Three OCR models and their pipeline on every device; the scanned page as it was read (06-pipeline)."""
    fill_registry(
        product,
        {
            "ocr_detect.onnx": "ocr-detect:4.0.0",
            "ocr_orient.onnx": "ocr-orient:2.0.0",
            "ocr_read.onnx": "ocr-read:4.0.0",
        },
    )
    apply(product, "06-pipeline")
    product.kubectl.wait_ready("edgedeployment", "ocr", 180)
    with product.kubectl.forward("svc/ocr", 8000) as address, ocr_client.connect(address) as server:
        return ocr_client.read(server, fetch.fetch("page.png").read_bytes())


def pictures(product: Product) -> dict[str, list[Any]]:
    """What a device says to the picture of a seven, as curl would ask (07-pictures): {output: data}."""
    apply(product, "07-pictures")
    product.kubectl.wait_ready("edgedeployment", "digit-pictures", 120)
    seven = (EXAMPLES / "07-pictures" / "seven.png").read_bytes()
    with product.kubectl.forward("svc/digit-pictures", 8000) as address:
        url = f"http://{address.split('://')[-1]}/v2/models/digit-pictures/infer"
        request = urllib.request.Request(url, data=seven, headers={"Inference-Header-Content-Length": "0"})
        with urllib.request.urlopen(request, timeout=10) as reply:
            return {output["name"]: output["data"] for output in json.load(reply)["outputs"]}


def fill_registry(product: Product, files: Mapping[str, str]) -> None:
    """An OCI registry in the cluster, and these files of examples/fetch.py in it: {file: name and tag}."""
    with_images(product, (Path(__file__).parent / "registry.yaml").read_text())
    product.kubectl("rollout", "status", "deployment/registry", "--timeout=120s")
    with product.kubectl.forward("svc/registry", 5000) as address:
        for file, name in files.items():
            push_oci.push(fetch.fetch(file), f"{address}/models/{name}", plain_http=True)


def followed(product: Product, deployment: str = "digits") -> bool:
    """Whether every reachable device says that it follows the newest plan."""
    body = product.kubectl.get("edgedeployment", deployment)
    now = body["status"]
    reachable = now["nodes"]["matched"] - now["nodes"]["offline"]
    seen: bool = now["observedGeneration"] == body["metadata"]["generation"]
    return seen and now["plan"].get("followed") == reachable


def kustomize(product: Product, folder: Path) -> None:
    """`kubectl apply --server-side -k`."""
    with_images(product, product.kubectl("kustomize", folder))


def with_images(product: Product, manifests: str) -> None:
    """Applies manifests, with the images of this cluster in place of the published ones."""
    for name, reference in product.images.items():
        manifests = manifests.replace(f"edgewise.dev/{name}:dev", reference)
    product.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifests)


def apply(product: Product, folder: str) -> None:
    """`kubectl apply --server-side -f examples/<folder>`."""
    product.kubectl("apply", "--server-side", "--force-conflicts", "-f", EXAMPLES / folder)


def wait_version(product: Product, version: str, timeout: float = 60.0) -> None:
    """Until every reachable device serves this version of the digits, and the status has it as the stable one.

    Ready alone would not do: an EdgeModel changes no EdgeDeployment's generation, so an old Ready may still stand.
    """

    def arrived() -> bool | None:
        now = product.status()
        stable = now.get("release", {}).get("stable") or ""
        here = (
            stable.startswith(f"{version}-")
            and now["nodes"]["updated"] == now["nodes"]["matched"] - now["nodes"]["offline"]
        )
        return here or None

    product.kubectl.wait(f"digits {version} on every reachable device", arrived, timeout)
    product.kubectl.wait_ready("edgedeployment", "digits", timeout)


def rejected(product: Product, version: str, deployment: str = "digits") -> bool:
    """Whether the operator has taken this version back."""
    release = product.status(deployment).get("release", {})
    return any(name.startswith(f"{version}-") for name in release.get("rejected") or ())


def wait_settled(product: Product, deployment: str = "digits", timeout: float = 180.0) -> None:
    """Until nothing moves any more: Ready, and no pod left to replace."""

    def still() -> bool | None:
        ready = product.kubectl.condition("edgedeployment", deployment).get("status") == "True"
        moving = product.kubectl.condition("edgedeployment", deployment, "Reconciling")
        now = product.status(deployment)["nodes"]
        return (ready and not moving and now["ready"] == now["matched"]) or None

    product.kubectl.wait(f"{deployment} settled", still, timeout)


def serve_digits(product: Product, timeout: float = 120.0) -> None:
    """The first example, from nothing to Ready at version 1.0.0."""
    model_store(product)
    apply(product, "01-digits")
    wait_version(product, "1.0.0", timeout)
