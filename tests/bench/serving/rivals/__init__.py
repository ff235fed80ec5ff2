"""The servers people would use instead, installed from their wheels, set up as their documentation advises for speed.

Each lives in a virtual environment of its own in the cache (they need other versions of the same packages), runs the
same ONNX file on one thread, and is started as a process like ours.
"""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import FOLDER
from tests.bench.serving.models import Model
from tests.bench.serving.processes import Command, Contestant, started
from tests.cluster.ports import free_port
from tests.cluster.wheels import Wheels

HERE = Path(__file__).parent


KSERVE = Wheels("kserve", ("kserve==0.21.0", "onnxruntime==1.31.1"))
MLSERVER = Wheels("mlserver", ("mlserver==1.7.1", "onnxruntime==1.31.1"))
# Triton's Python stub embeds Debian's libpython, which does not fit another build's standard library.
PYTRITON = Wheels("pytriton", ("nvidia-pytriton==0.7.0", "onnxruntime==1.31.1", "numpy<2"), "/usr/bin/python3")


@contextlib.contextmanager
def kserve(model: Model) -> Iterator[Contestant]:
    """KServe's Python model server: uvloop and httptools, no access log, no latency log, no gRPC beside it."""
    port = free_port()
    settings = [
        f"--http_port={port}",
        f"--model_name={model.name}",
        "--workers=1",
        "--enable_grpc=false",
        "--enable_latency_logging=false",
        "--configure_logging=false",
        "--event-loop=uvloop",
    ]
    argv = [KSERVE.python(), str(HERE / "kserve_server.py"), str(model.path), *settings]
    command = Command(f"kserve-{model.name}", argv, ready=f"/v2/models/{model.name}/ready")
    with started(command, port) as pid:
        yield Contestant(pid, port, f"kserve 0.21.0: {' '.join(settings[2:])}; 1 thread")


@contextlib.contextmanager
def mlserver(model: Model) -> Iterator[Contestant]:
    """In-process inference (its pool of workers costs more than it gives to one core), no compression, no debug."""
    port = free_port()
    settings = {"parallel_workers": 0, "debug": False, "gzip_enabled": False, "metrics_endpoint": None}
    ports = {"http_port": port, "grpc_port": free_port(), "host": "127.0.0.1"}
    described = {"name": model.name, "implementation": "mlserver_runtime.Onnx", "parameters": {"uri": str(model.path)}}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "settings.json").write_text(json.dumps(settings | ports))
        Path(folder, "model-settings.json").write_text(json.dumps(described))
        Path(folder, "logging.ini").write_text(_QUIET_LOGGING)
        shutil.copy(HERE / "mlserver_runtime.py", folder)
        program = Path(MLSERVER.python()).with_name("mlserver")
        environment = {"MLSERVER_LOGGING_SETTINGS": f"{folder}/logging.ini", "PYTHONPATH": folder}
        command = Command(
            f"mlserver-{model.name}",
            [str(program), "start", folder],
            ready=f"/v2/models/{model.name}/ready",
            environment=environment,
        )
        with started(command, port) as pid:
            said = ", ".join(f"{name}={value}" for name, value in settings.items())
            yield Contestant(pid, port, f"mlserver 1.7.1: {said}, log level WARNING; 1 thread")


@contextlib.contextmanager
def pytriton(model: Model) -> Iterator[Contestant]:
    """Triton 2.51 with PyTriton's proxy; batching off, which is the quickest for one connection."""
    port = free_port()
    arguments = [str(model.path), model.name, str(port), str(free_port()), str(free_port())]
    argv = [PYTRITON.python(), str(HERE / "pytriton_server.py"), *arguments]
    ready = f"/v2/models/{model.name}/ready"
    workspace = (FOLDER / "pytriton").resolve()
    workspace.mkdir(parents=True, exist_ok=True)
    command = Command(f"pytriton-{model.name}", argv, ready, {"PYTRITON_HOME": str(workspace)})
    with started(command, port) as pid:
        yield Contestant(pid, port, "nvidia-pytriton 0.7.0: batching=False, log_verbose=0; 1 thread")


_QUIET_LOGGING = """
[loggers]
keys=root
[handlers]
keys=stream
[formatters]
keys=plain
[logger_root]
level=WARNING
handlers=stream
[handler_stream]
class=StreamHandler
level=WARNING
formatter=plain
args=(sys.stderr,)
[formatter_plain]
format=%(message)s
"""
