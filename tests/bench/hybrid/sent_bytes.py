"""What one escalated request puts on the link, beside its tensors. Called by `make bench-hybrid`.

A device asks a real Triton through a proxy that counts the bytes of the connection: everything above TCP, answers to
flow control included, and with TLS all of TLS but the handshake. The connection has been used before, as it mostly has.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgewise.api.base import SecretKeyRef
from edgewise.api.confidence import Confidence
from edgewise.api.escalation import Budget, EscalationWhen, Tls
from edgewise.contract.plan import PlanEscalation, PlanTarget
from edgewise_runtime.protocol.messages import InferRequest, Tensor
from tests.bench.figures import Figure, Report
from tests.bench.serving.models import PICTURE, cnn
from tests.cloud.road import Road, ending_tls, road
from tests.cloud.triton import Triton, started_triton
from tests.cluster.paths import REPOSITORY
from tests.runtime.issuer import Issuer
from tests.runtime.serving import Running, running, served

LIMIT = 1.05
_DIGITS = REPOSITORY / "examples/models/digits"
_MEAN, _STD = np.array([(0.485, 0.456, 0.406), (0.229, 0.224, 0.225)], np.float32)  # ImageNet's
_LOGITS = Confidence(output="logits", method="SoftmaxMax")
_ALL = EscalationWhen(confidence_below="1.0")
_TLS = Tls(ca_secret_ref=SecretKeyRef(name="cloud", key="ca.crt"))
_PATIENCE = 20.0
_ASKED = 20
_ISSUER = Issuer()


@dataclass(frozen=True)
class Subject:
    """Requests for one model."""

    name: str
    model: str
    input: str
    requests: Sequence[NDArray[np.float32]]


@dataclass(frozen=True)
class Way:
    """How a target is reached."""

    name: str
    scheme: str

    def port(self, triton: Triton) -> int:
        return triton.http_port if self.scheme == "http" else triton.grpc_port


HTTP, GRPC, TLS = Way("HTTP", "http"), Way("gRPC", "grpc"), Way("gRPC over TLS", "grpcs")


def figures(report: Report) -> None:
    """A digit and a picture, over HTTP, gRPC and TLS, as they are and compressed."""
    with started_triton({"cnn": cnn().path}) as triton, tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(report, triton, Path(folder)))


async def _measure(report: Report, triton: Triton, folder: Path) -> None:
    (folder / "cloud").mkdir()
    (folder / "cloud/ca.crt").write_bytes(_ISSUER.ca)
    picture = Subject("a picture, 602 KB", "cnn", "x", [_photo()] * 5)
    models = (
        served(_DIGITS / "digits-int8-1.1.0.onnx", "digits", confidence=_LOGITS),
        served(cnn().path, confidence=_LOGITS),
    )
    async with running(*models, secrets_folder=str(folder)) as device:
        digit = await _doubtful(device)
        for way in (HTTP, GRPC, TLS):
            async with _counted(way, triton, folder) as counter:
                for subject in (digit, picture):
                    plain, packed = [await _ratios(device, subject, way, counter, wish) for wish in (False, True)]
                    name = f"bytes sent / tensors: {subject.name}, {way.name}"
                    report.add(Figure(name, plain, "", "less", LIMIT))
                    report.add(Figure(f"{name}, compress", packed, "", "less", min(plain)))


@contextlib.asynccontextmanager
async def _counted(way: Way, triton: Triton, folder: Path) -> AsyncIterator[Road]:
    """The counting proxy, with the one that ends TLS behind it where there is TLS."""
    if way is not TLS:
        async with road(way.port(triton)) as counter:
            yield counter
        return
    async with (
        road(way.port(triton), ending_tls(folder / "server", _ISSUER.server())) as end,
        road(end.port) as counter,
    ):
        yield counter


async def _ratios(device: Running, subject: Subject, way: Way, counter: Road, compress: bool) -> list[float]:
    """One for each request."""
    target = PlanTarget(
        name="cloud",
        url=f"{way.scheme}://localhost:{counter.port}",
        compress=compress,
        tls=_TLS if way is TLS else None,
    )
    plan = PlanEscalation(targets=[target], when=_ALL, timeout_seconds=_PATIENCE, budget=Budget())
    device.server.configure(None, plan)
    await _infer(device, subject, subject.requests[0])
    ratios = []
    for request in subject.requests:
        before = counter.sent
        await _infer(device, subject, request)
        ratios.append((counter.sent - before) / request.nbytes)
    if not all(ratios):
        raise RuntimeError(f"nothing was sent of {subject.name}: was the device sure, or Triton not asked?")
    return ratios


async def _infer(device: Running, subject: Subject, request: NDArray[np.float32]) -> float:
    """How sure the answer is, whoever gave it."""
    tensor = Tensor(subject.input, "FP32", request)
    answer = await device.server.plane.infer(InferRequest(subject.model, (tensor,)))
    return float(answer.parameters["edgewise_confidence"])


async def _doubtful(device: Running) -> Subject:
    """The digits that the device is least sure of: those it asks about."""
    with np.load(_DIGITS / "heldout.npz") as held:
        images = held["images"][:, None, None].astype(np.float32) / np.float32(255)
    digits = Subject("a digit, 3 KB", "digits", "image", list(images))
    sure = [await _infer(device, digits, image) for image in digits.requests]
    return replace(digits, requests=[digits.requests[index] for index in np.argsort(sure)[:_ASKED]])


def _photo() -> NDArray[np.float32]:
    """A real one, as most vision models want it."""
    path = Path(matplotlib.get_data_path(), "sample_data/grace_hopper.jpg")
    pixels = np.asarray(Image.open(path).convert("RGB").resize(PICTURE[2:]), np.float32) / np.float32(255)
    normal = (pixels - _MEAN) / _STD
    return np.ascontiguousarray(normal.transpose(2, 0, 1)[None], np.float32)
