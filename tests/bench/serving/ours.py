"""The server under test, as anybody starts it: `edgewise-runtime serve`."""

import contextlib
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from tests.bench.serving.models import Model
from tests.bench.serving.processes import SERVER, Command, Contestant, started
from tests.cluster.ports import free_port

COMMAND = str(Path(sys.executable).with_name("edgewise-runtime"))


@contextlib.contextmanager
def serving(model: Model, cores: Collection[int] = (SERVER,), **settings: object) -> Iterator[Contestant]:
    """`settings`: EDGEWISE_<NAME>, where they are not the defaults."""
    port, grpc_port = free_port(), free_port()
    command = Command(
        name=f"ours-{model.name}",
        argv=[COMMAND, "serve", str(model.path), "--port", str(port), "--grpc-port", str(grpc_port)],
        environment={f"EDGEWISE_{name.upper()}": str(value) for name, value in settings.items()},
    )
    changed = ", ".join(f"{name}={value}" for name, value in settings.items()) or "defaults"
    with started(command, port, cores) as pid:
        yield Contestant(pid, port, f"edgewise-runtime serve, {len(cores)} core(s), {changed}", grpc_port)
