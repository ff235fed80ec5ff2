"""An accelerator that can be pulled out and plugged in again: a delegate library, compiled here, for real LiteRT."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

_SOURCE = Path(__file__).with_suffix(".c")


@cache
def library() -> str:
    """Path of the compiled delegate; built once per run of the tests."""
    target = Path(mkdtemp(prefix="edgewise-delegate-")) / "libfaulty.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-o", target, _SOURCE], check=True)
    return str(target)


class FaultyDevice:
    """One such device; `folder` is where it keeps what it knows."""

    def __init__(self, folder: Path) -> None:
        self._fault, self._log = folder / "fault", folder / "device.log"

    @property
    def options(self) -> dict[str, str]:
        """For the delegate."""
        return {"fault": str(self._fault), "log": str(self._log)}

    @property
    def runs(self) -> int:
        return self._noted().count(".")

    @property
    def open(self) -> int:
        """How many hold it now."""
        return self._noted().count("+") - self._noted().count("-")

    def pull(self) -> None:
        self._fault.touch()

    def plug(self) -> None:
        self._fault.unlink()

    def _noted(self) -> str:
        return self._log.read_text() if self._log.exists() else ""
