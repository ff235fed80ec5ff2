"""The examples, applied as their README says."""

import json
from pathlib import Path

from examples import fetch, push_oci, vad_client
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


def second_model(product: Product) -> dict[str, list[tuple[float, float]]]:
    """silero-vad out of its wheel, into a registry, onto every device; recording -> seconds where somebody speaks."""
    fill_registry(product)
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


def fill_registry(product: Product) -> None:
    """An OCI registry in the cluster, and silero-vad in it."""
    with_images(product, (Path(__file__).parent / "registry.yaml").read_text())
    product.kubectl("rollout", "status", "deployment/registry", "--timeout=120s")
    with product.kubectl.forward("svc/registry", 5000) as address:
        push_oci.push(fetch.fetch("silero_vad.onnx"), f"{address}/models/silero-vad:6.2.3", plain_http=True)


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
