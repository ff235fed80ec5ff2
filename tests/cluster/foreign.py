"""A Debian for another processor, made without running any program of it: packages are laid out, not installed.

What their scripts would have written (accounts, certificates, alternatives, bytecode, a Python environment) is the same
on every processor, so it is taken from the same packages installed on this machine's.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.command import run
from tests.cluster.platforms import NATIVE

_UNPACK = 'dpkg-deb --fsys-tarfile "$1" | tar --extract --keep-directory-symlink --directory "$2"'
_MERGED = ("bin", "lib", "lib64", "sbin")  # in packages still beside usr, on disks within
_OF_THE_MACHINE = ("dev", "proc", "run", "sys", "tmp", "var", "etc/ld.so.cache")


def complete(root: Path, ours: Path) -> None:
    """Finishes what `debootstrap --foreign` began in `root`; `ours` has the same packages, installed."""
    proc = root / "proc"
    proc.unlink()  # a link to this machine's
    proc.mkdir()
    for package in sorted(root.glob("var/cache/apt/archives/*.deb")):
        run("sh", "-c", _UNPACK, "sh", package, root)
    shutil.rmtree(root / "debootstrap")
    for path in _written_by_scripts(ours):
        target = root / path.relative_to(ours)
        if path.is_dir() and not path.is_symlink():
            target.mkdir(exist_ok=True)
            shutil.copystat(path, target)
        elif not os.path.lexists(target):
            shutil.copy2(path, target, follow_symlinks=False)
        if not target.is_symlink():
            os.chown(target, path.stat().st_uid, path.stat().st_gid)


def _written_by_scripts(root: Path) -> Iterator[Path]:
    """What is there and in no package, folders before what is in them."""
    lists = root.glob("var/lib/dpkg/info/*.list")
    packaged = {_on_disk(line) for file in lists for line in file.read_text().splitlines()}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        of_the_machine = any(name == place or name.startswith(f"{place}/") for place in _OF_THE_MACHINE)
        if not of_the_machine and name not in packaged and NATIVE.machine not in name:
            yield path


def _on_disk(line: str) -> str:
    name = line.removeprefix("/")
    return f"usr/{name}" if name.partition("/")[0] in _MERGED else name
