"""The scenes of the demo, in order. Each does one thing with the product as it stands, and says what came of it."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.markup import escape

from tests.cluster.cluster import users_kubeconfig
from tests.cluster.command import CommandError
from tests.demo.screen import Programme, console, tell
from tests.stage import examples, traffic
from tests.stage.product import DEMO, Product

IMAGES = 1000
DEVICE = "pi-0"


def placement(product: Product, programme: Programme) -> None:
    """One logical model, several builds: which device runs which, and why."""
    product.kubectl("delete", "edgedeployments,edgemodels", "--all", "--wait")  # of an earlier demo
    product.kubectl.wait("their pods are gone", lambda: not product.pods("digits") or None)
    tell("kubectl apply --server-side -k examples/00-model-store   # an HTTP server with the model files")
    examples.model_store(product)
    tell("kubectl apply --server-side -f examples/01-digits        # an EdgeModel with two builds, an EdgeDeployment")
    began = time.monotonic()
    examples.apply(product, "01-digits")
    examples.wait_version(product, "1.0.0", 180)
    programme.seen("apply to Ready on all devices", f"{time.monotonic() - began:.1f} s")
    examples.wait_settled(product)
    status(product, "digits")
    tell("The labels of these nodes are those of the real boards; their silicon is this machine's CPU, so each runtime")
    tell("reports the provider it really got.")


def status(product: Product, name: str) -> None:
    console.print(escape(_edgewise(product, "status", name)))


def _edgewise(product: Product, *words: str) -> str:
    """What `kubectl edgewise` prints, to either stream."""
    tell(f"kubectl edgewise {' '.join(words)} -n {DEMO}")
    surroundings = {**os.environ, "KUBECONFIG": str(product.cluster.kubeconfig), "COLUMNS": "128"}
    argv = (sys.executable, "-m", "edgewise.cli", *words, "-n", DEMO)
    done = subprocess.run(argv, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise CommandError(f"kubectl edgewise {words[0]}: exit {done.returncode}\n{done.stdout.strip()}")
    return done.stdout


def predictions(product: Product, programme: Programme) -> None:
    """A thousand real digits nobody trained on, asked over the Open Inference Protocol from a pod of the cluster."""
    answers = _ask(product, "demo-predictions")
    programme.seen(
        "accuracy on 1,000 held-out MNIST images", f"{answers.accuracy:.3f} (p50 {answers.percentile(0.5):.1f} ms)"
    )
    recorded = ", ".join(sorted(_recorded(product)))
    tell(f"The EdgeModel states {recorded} for its builds: measured when it was trained, and again just now.")


def _recorded(product: Product) -> set[str]:
    variants = product.kubectl.get("edgemodel", "digits")["spec"]["variants"]
    return {f"{variant['accuracy']} ({variant['name']})" for variant in variants}


def _start(product: Product, name: str, client: traffic.Client) -> traffic.Traffic:
    return traffic.start(product.kubectl, product.images["runtime-cpu"], name, client)


def _ask(product: Product, name: str) -> traffic.Answers:
    """Every held-out image once, in order."""
    return _start(product, name, traffic.Client(product.status()["url"], rate=100, count=IMAGES)).finish()


def update(product: Product, programme: Programme) -> None:
    """Version 1.1.0 replaces 1.0.0 on every device while fifty requests a second come in."""
    client = _start(product, "demo-update", traffic.Client(product.status()["url"], rate=50))
    tell("kubectl apply --server-side -f examples/02-model-update")
    began = time.monotonic()
    examples.apply(product, "02-model-update")
    examples.wait_version(product, "1.1.0", 120)
    took = time.monotonic() - began
    client.wait_answered(client.answers().answered + 50)
    answers = client.stop()
    programme.seen("1.0.0 to 1.1.0 on every device", f"{took:.1f} s")
    programme.seen("requests during the update", f"{answers.sent} sent, {answers.failed} failed")
    tell(f"answered by version: {dict(answers.versions)}")


def bad_version(product: Product, programme: Programme) -> None:
    """Version 1.2.0 has its classes in another order: it loads, is quick, is sure of itself, and wrong."""
    tell("kubectl apply --server-side -f examples/10-gated-rollout       # one device first, after a self test")
    examples.apply(product, "10-gated-rollout")
    examples.wait_version(product, "1.1.0", 120)
    client = _start(product, "demo-bad-version", traffic.Client(product.status()["url"], rate=50))
    tell("kubectl apply --server-side -f examples/10-gated-rollout/bad   # version 1.2.0")
    began = time.monotonic()
    examples.apply(product, "10-gated-rollout/bad")
    product.kubectl.wait("it is rejected", lambda: examples.rejected(product, "1.2.0") or None, 60)
    took = time.monotonic() - began
    client.wait_answered(client.answers().answered + 50)
    answers = client.stop()
    status(product, "digits")
    programme.seen("a bad version: rejected, with nobody's help, after", f"{took:.1f} s")
    programme.seen("answered by it", f"{answers.versions['1.2.0']} of {answers.sent} requests, {answers.failed} failed")
    examples.apply(product, "01-digits")
    examples.apply(product, "02-model-update")
    examples.wait_version(product, "1.1.0", 120)


def offline(product: Product, programme: Programme) -> None:
    """The device's network link goes down. A client on the device does not notice."""
    if users_kubeconfig():
        tell("left out: cutting a link needs the embedded cluster (unset KUBECONFIG)")
        return
    url, device = product.status()["localURL"], product.cluster[DEVICE]
    client = _start(product, "demo-offline", traffic.Client(url, rate=20, node=DEVICE))
    tell(f"the link of {DEVICE} goes down; its client goes on asking {url}")
    device.cut()
    cut = time.time()
    device.wait_ready(False)
    product.kubectl.wait("the status counts it", lambda: product.status()["nodes"]["offline"] == 1, 60)
    message = product.kubectl.condition("edgedeployment", "digits")["message"]
    tell(f"the cluster's view: Ready=True, {message}")
    healed = time.time()
    device.heal()
    device.wait_ready()
    answers = client.stop()
    programme.seen(
        f"{DEVICE} cut off for {healed - cut:.0f} s",
        f"{answers.sent} requests on the device, {answers.failed} failed",
    )


def cloud(product: Product, programme: Programme) -> None:
    """A real Triton with a bigger model is asked when a device is not sure."""
    alone = _ask(product, "demo-alone")
    tell("kubectl apply --server-side -k examples/03-cloud-help/triton   # a real Triton Inference Server")
    tell("kubectl apply --server-side -f examples/03-cloud-help          # unsure devices ask it, for at most 300 ms")
    examples.cloud_help(product)
    helped = _ask(product, "demo-helped")
    share = helped.sources["target:cloud"] / max(1, helped.answered)
    programme.seen("accuracy, device alone", f"{alone.accuracy:.3f}")
    programme.seen("accuracy with cloud help", f"{helped.accuracy:.3f}, {share:.0%} of requests sent on")


def calibration(product: Product, programme: Programme) -> None:
    """Which confidence is worth a question: asked of a device, the cloud and a thousand labelled images."""
    held_out = np.load(traffic.HELD_OUT)
    with tempfile.TemporaryDirectory() as folder, product.kubectl.forward("svc/triton", 8000) as triton:
        data = Path(folder, "digits.npz")
        np.savez(data, image=held_out["images"][:, None].astype(np.float32) / 255, labels=held_out["labels"])
        said = _edgewise(
            product, "calibrate", "digits", "--data", str(data), "--cloud", f"http://{triton}", "--offload", "0.10"
        )
    console.print(escape(said))
    together = next(line.split()[-4] for line in said.splitlines() if line.startswith("accuracy together"))
    programme.seen("accuracy together, asking for a tenth", together)


def second_model(product: Product, programme: Programme) -> None:
    """A model nobody here trained, from an OCI registry, on real input."""
    tell("kubectl apply --server-side -f examples/04-second-model   # silero-vad, pulled from an OCI registry")
    for recording, stretches in examples.second_model(product).items():
        heard = ", ".join(f"{begin:.1f}-{end:.1f} s" for begin, end in stretches)
        programme.seen(f"somebody says {recording.replace('-', ' ')!r}", f"speech at {heard}")


def pipeline(product: Product, programme: Programme) -> None:
    """A picture in, text out: three models in a row, served as one."""
    tell("kubectl apply --server-side -f examples/06-pipeline   # where text stands, which way up, what it says")
    texts = [line.text for line in examples.pipeline(product).lines]
    for text in texts:
        tell(f"  {escape(text)}")
    programme.seen("lines read on a scanned page", f"{len(texts)}, such as {max(texts, key=len)!r}")
    product.kubectl("delete", "edgedeployment", "ocr")


SCENES = (
    ("One logical model, the right build on each device", placement),
    ("Real predictions", predictions),
    ("A model update while requests flow", update),
    ("A bad version of the model", bad_version),
    ("A device cut off from the network", offline),
    ("Cloud help, when it pays", cloud),
    ("What a confidence is worth", calibration),
    ("A second model that nobody here trained", second_model),
    ("Three models in a row read a picture", pipeline),
)
