"""A mounted Secret as a kubelet renews it: files link to ..data/, and ..data to the moment, which is then deleted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path


class Volume:
    """One mounted Secret; `write` fills a moment's folder."""

    def __init__(self, folder: Path, names: tuple[str, ...], write: Callable[[Path], object]) -> None:
        self.folder = folder
        self._write = write
        self._count = 0
        folder.mkdir()
        for name in names:
            (folder / name).symlink_to(f"..data/{name}")
        self.renew()

    def renew(self) -> None:
        """As kubernetes' AtomicWriter does it."""
        self._count += 1
        moment, before = self.folder / f"..{self._count}", self.folder / f"..{self._count - 1}"
        moment.mkdir()
        self._write(moment)
        (self.folder / "..data_tmp").symlink_to(moment.name)
        (self.folder / "..data_tmp").rename(self.folder / "..data")
        shutil.rmtree(before, ignore_errors=True)
