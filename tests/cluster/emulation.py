"""Programs of another processor run on this one for as long as a block lasts, by QEMU's user-mode emulator.

The kernel is told through binfmt_misc. What is told from here carries a name of ours: so it is known from what the
machine had before, and `make cluster-down` finds it whatever became of the process that put it there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.command import run
from tests.cluster.locking import exclusive
from tests.cluster.platforms import NATIVE, Platform
from tests.cluster.prerequisites import install_missing

_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_OURS = "edgewise"
# Bytes 0 to 19 of an ELF file: 64 bits, little-endian, version 1; any ABI; an executable or a shared object; processor.
_MAGIC = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00"
_MASK = b"\xff" * 7 + bytes(9) + b"\xfe\xff" + b"\xff\xff"


@contextmanager
def emulation(platform: Platform) -> Iterator[None]:
    """Runs `platform`'s programs, also in other roots and containers. One block at a time on a machine: it is heavy.

    Changes nothing where the machine can do it already. Raises `RuntimeError` where the emulator cannot be installed.
    """
    if platform == NATIVE or emulates(platform):
        yield
        return
    emulator = f"/usr/bin/qemu-{platform.machine}-static"
    install_missing({"qemu-user-static": emulator})
    with exclusive("emulation"):
        _take_back()
        try:
            _register(platform, emulator)
            yield
        finally:
            _take_back()


def emulates(platform: Platform) -> bool:
    """Whether the machine does it anyway, with the flag F: without it the emulator would have to be in every root."""
    entry = _BINFMT / f"qemu-{platform.machine}"
    words = entry.read_text().split() if entry.exists() else []
    return "enabled" in words and "F" in words[words.index("flags:") + 1]


def release() -> None:
    """Takes back what a killed process left registered and mounted; waits for a block that is under way."""
    with exclusive("emulation"):
        _take_back()


def leftovers() -> list[str]:
    """What `release` would take back."""
    return [str(path) for path in (_BINFMT / _OURS,) if path.exists()] + [str(_BINFMT)] * _mounted_by_us()


def _take_back() -> None:
    if (_BINFMT / _OURS).exists():
        (_BINFMT / _OURS).write_text("-1")
    if _mounted_by_us():
        run("umount", _BINFMT)


def _register(platform: Platform, emulator: str) -> None:
    if not (_BINFMT / "register").exists():
        run("mount", "-t", "binfmt_misc", _OURS, _BINFMT)
    magic = _MAGIC + platform.elf.to_bytes(2, "little")
    (_BINFMT / "register").write_text(f":{_OURS}:M::{_escaped(magic)}:{_escaped(_MASK)}:{emulator}:F")


def _escaped(pattern: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in pattern)


def _mounted_by_us() -> bool:
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return any((source, point) == (_OURS, str(_BINFMT)) for source, point, *_ in mounts)
