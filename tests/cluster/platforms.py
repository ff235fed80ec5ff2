"""Platforms that images are built for, by their usual names: linux/amd64, linux/arm64."""

import os
from dataclasses import dataclass


class PlatformError(RuntimeError):
    """A platform nothing here can be built for."""


@dataclass(frozen=True)
class Platform:
    """One of PLATFORMS. machine: its processor as the kernel, QEMU and wheels call it; elf: its number in ELF files."""

    architecture: str
    machine: str
    elf: int

    def __str__(self) -> str:
        return f"linux/{self.architecture}"


PLATFORMS = (Platform("amd64", "x86_64", 62), Platform("arm64", "aarch64", 183))
NATIVE = next(platform for platform in PLATFORMS if platform.machine == os.uname().machine)


def named(names: str) -> tuple[Platform, ...]:
    """Those of a list such as `linux/amd64,linux/arm64`; this machine's own when it is empty. Raises PlatformError."""
    known = {str(platform): platform for platform in PLATFORMS}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            raise PlatformError(f"no platform {name!r}: give one or more of {', '.join(known)}, with commas between")
    return tuple(known[name] for name in dict.fromkeys(wanted)) or (NATIVE,)
