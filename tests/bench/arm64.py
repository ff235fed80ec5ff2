"""How long the image for arm64 takes from nothing to its first answer, on an emulated processor."""

import http.client
import tempfile
import time
from pathlib import Path

from tests.arm64.device import ARM64, PROFILE, agent, port
from tests.bench.figures import Figure, Report
from tests.bench.serving import models
from tests.bench.serving.models import Model
from tests.cluster import images
from tests.cluster.container import Container, unpacked
from tests.runtime.agent.devices import mount
from tests.runtime.agent.documents import sha256
from tests.runtime.suite import Example, planned

ROUNDS = 5
PATIENCE_SECONDS = 120.0


def startup(report: Report) -> None:
    """As tests.bench.serving.startup has it, for a container of the image: reads the plan, verifies, loads, answers."""
    model = models.five_megabytes()
    wanted = [image for image in images.IMAGES if image.name == "runtime-cpu"]
    archive = images.build(images=tuple(wanted), platforms=[ARM64]).archives["runtime-cpu"][ARM64]
    with tempfile.TemporaryDirectory() as folder, unpacked(archive, ARM64) as image:
        root = Path(folder)
        _fill(root, model)
        took = [_first_answer(image, root, model) for _ in range(ROUNDS)]
    report.settings["agent under qemu"] = "the cpu image for linux/arm64 in a container, under qemu-aarch64 user mode"
    report.add(Figure("start to first answer, under qemu arm64", took, "s"))


def _fill(root: Path, model: Model) -> None:
    """Plan and cache as a first start leaves them."""
    content = model.path.read_bytes()
    blob = root / "cache/blobs/sha256" / sha256(content)
    blob.parent.mkdir(parents=True)
    blob.write_bytes(content)
    nowhere = "http://127.0.0.1:9/"
    mount(root / "plan", planned([Example(model.path, model.name)], PROFILE, lambda name: nowhere + name))


def _first_answer(image: Container, root: Path, model: Model) -> float:
    """Seconds until a request was answered with 200."""
    body = model.sample().tobytes()
    began = time.perf_counter()
    with agent(image, root) as addresses:
        while not _answers(port(addresses.http), model.name, body):
            if time.perf_counter() > began + PATIENCE_SECONDS:
                raise RuntimeError(f"no answer after {PATIENCE_SECONDS:.0f} s:\n{(root / 'log').read_text()}")
            time.sleep(0.01)
        return time.perf_counter() - began


def _answers(http_port: int, name: str, body: bytes) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", http_port)
    try:
        headers = {"Inference-Header-Content-Length": "0"}  # the body is the tensor
        connection.request("POST", f"/v2/models/{name}/infer", body, headers)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
