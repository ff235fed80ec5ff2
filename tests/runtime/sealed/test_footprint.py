"""What encryption costs a device that has no encrypted model: nothing is imported for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.runtime.agent.tinymodels import scaling

_SCRIPT = """
import sys
from pathlib import Path
from edgewise.contract.sealed import Identity
from edgewise_runtime import agent, engines
from edgewise_runtime.engines.base import EngineOptions
from edgewise_runtime.sealed import model_file
path = Path(sys.argv[1])
engines.load(model_file(path, None, Path("/nowhere"), Identity("m", "1.0.0", "v")), "ONNX", EngineOptions())
print(*sorted({"cryptography", "zstandard", "edgewise_runtime.sealed.unsealing"} & set(sys.modules)))
"""


def test_a_device_without_encrypted_models_loads_nothing_for_them(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.write_bytes(scaling(1))
    done = subprocess.run([sys.executable, "-c", _SCRIPT, model], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
