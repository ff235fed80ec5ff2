"""A real Triton on this machine: the server of the nvidia-pytriton wheel, as a process, with the digits' bigger model.

It is what the image of tests/images/triton is, without a container, and answers about two seconds after its start.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bench.serving.processes import answers
from tests.cloud import wheel
from tests.cluster.paths import REPOSITORY
from tests.cluster.ports import free_port
from tests.cluster.process import Records, with_parent
from tests.cluster.waiting import wait_for

MODEL = "digits"
"""FP32 `image` [N, 1, 28, 28] to `logits` [N, 10]."""
_DIGITS = REPOSITORY / "examples/models/digits_cloud"
_ONNX_BACKEND = REPOSITORY / "tests/images/triton/onnxruntime"


@dataclass(frozen=True)
class Triton:
    """A running one; its ports are on 127.0.0.1."""

    pid: int
    http_port: int
    grpc_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def grpc_url(self) -> str:
        return f"grpc://127.0.0.1:{self.grpc_port}"


@contextlib.contextmanager
def started_triton(models: Mapping[str, Path] | None = None) -> Iterator[Triton]:
    """Ready when the block begins, ended with it. `models`: more of them, name -> ONNX file."""
    site = wheel.site()
    with tempfile.TemporaryDirectory(prefix="triton-") as folder:
        backends, repository = Path(folder, "backends"), Path(folder, "models")
        _lay_backends(site, backends)
        _lay_digits(repository / MODEL)
        for name, path in (models or {}).items():
            _lay_onnx(repository / name, path)
        triton = Triton(0, free_port(), free_port())
        with _running(Path(folder), site, _arguments(triton, repository, backends), triton) as pid:
            yield Triton(pid, triton.http_port, triton.grpc_port)


@pytest.fixture(scope="session")
def triton() -> Iterator[Triton]:
    """One for all tests of a session: they break the way there, never Triton itself."""
    with started_triton() as triton:
        yield triton


@contextlib.contextmanager
def _running(folder: Path, site: Path, arguments: list[str], triton: Triton) -> Iterator[int]:
    server = site / "pytriton/tritonserver/bin/tritonserver"
    # The Python in Triton's stub is isolated: models read PYTHONPATH themselves.
    environment = {
        "LD_LIBRARY_PATH": str(site / "nvidia_pytriton.libs"), "PYTHONPATH": str(site), "ORT_DISABLE_TELEMETRY": "1",
    }  # fmt: skip
    records = Records(folder)
    process = records.start("triton", with_parent([str(server), *arguments]), environment)
    try:
        wait_for("triton", lambda: answers(triton.http_port, "/v2/health/ready"), process)
        yield process.pid
    finally:
        records.stop()


def _arguments(triton: Triton, repository: Path, backends: Path) -> list[str]:
    return [
        f"--model-repository={repository}", f"--backend-directory={backends}",
        "--http-address=127.0.0.1", "--grpc-address=127.0.0.1", "--allow-metrics=false", "--exit-timeout-secs=1",
        f"--http-port={triton.http_port}", f"--grpc-port={triton.grpc_port}",
    ]  # fmt: skip


def _lay_backends(site: Path, backends: Path) -> None:
    """Copied, because Triton makes its stub executable each time it loads it."""
    server = site / "pytriton/tritonserver"
    shutil.copytree(server / "backends/python", backends / "python")
    shutil.copy(server / "python_backend_stubs" / wheel.PYTHON / "triton_python_backend_stub", backends / "python")
    shutil.copytree(_ONNX_BACKEND, backends / "onnxruntime")


def _lay_digits(folder: Path) -> None:
    """As examples/03-cloud-help lays it."""
    (folder / "1").mkdir(parents=True)
    shutil.copy(_DIGITS / "config.pbtxt", folder)
    shutil.copy(_DIGITS / "model.py", folder / "1")
    shutil.copy(_DIGITS / "digits-cloud-1.0.0.onnx", folder / "1/model.onnx")


def _lay_onnx(folder: Path, path: Path) -> None:
    (folder / "1").mkdir(parents=True)
    shutil.copy(path, folder / "1/model.onnx")
    (folder / "config.pbtxt").write_text('backend: "onnxruntime"\ninstance_group [{ kind: KIND_CPU, count: 1 }]\n')
