"""What is demanded of clients, and the mounted Secrets that say how to check it. Read by Access, anew when they change.

A device that cannot check does not guess: while a Secret is missing or unusable, nothing here is ready.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgewise.contract.report import Demand
from edgewise_runtime.access.certificates import Certificates
from edgewise_runtime.access.tokens import Tokens, read_tokens
from edgewise_runtime.settings import Settings, SettingsError

_TRIES = 5  # a kubelet may renew the files while they are read: what was read in between is of no moment at all


@dataclass(frozen=True)
class Demands:
    """What clients must show: all that is set. Fixed when the process starts."""

    tokens: Path | None = None
    """Folder of files: a client's name each, its content that client's token."""
    certificate: Path | None = None
    """Folder of the server's tls.crt and tls.key: TLS, and nothing else, on the serving ports."""
    client_ca: Path | None = None
    """PEM bundle of the CAs that sign clients' certificates."""

    def __bool__(self) -> bool:
        return bool(self.names)

    @property
    def names(self) -> list[Demand]:
        """As reports have them."""
        named: list[tuple[Demand, Path | None]] = [
            ("Token", self.tokens), ("Certificate", self.certificate), ("ClientCertificate", self.client_ca),
        ]  # fmt: skip
        return [name for name, path in named if path is not None]

    @classmethod
    def of(cls, settings: Settings) -> Demands:
        """SettingsError where they contradict each other."""
        named = (settings.tokens_folder, settings.certificate_folder, settings.client_ca_file)
        demands = cls(*(Path(name) if name else None for name in named))
        if demands.client_ca and not demands.certificate:
            raise SettingsError(
                "EDGEWISE_CLIENT_CA_FILE needs EDGEWISE_CERTIFICATE_FOLDER: clients show their certificates over TLS"
            )
        return demands


class Mounted:
    """The files of one moment."""

    def __init__(self, demands: Demands) -> None:
        self.tokens = Tokens({})
        self.certificates = Certificates(demands.certificate, demands.client_ca) if demands.certificate else None
        self.ready = False
        self.problem = ""
        """What a person should change; empty: all is well. It holds no secret."""
        self._demands = demands
        self._seen: list[tuple[str, int, int]] | None = None
        self.refresh()

    def refresh(self) -> None:
        """Takes over what has changed since the last time; a few system calls where nothing has."""
        for _ in range(_TRIES):
            seen = list(self._state())
            if seen == self._seen:
                return
            self._seen = seen
            self._read()

    def _read(self) -> None:
        problems, self.ready = [], True
        if self._demands.tokens is not None:
            problems.append(self._read_tokens(self._demands.tokens))
            self.ready = bool(self.tokens)
        if self.certificates is not None:
            self.certificates.refresh()
            problems.append(self.certificates.problem)
            self.ready = self.ready and self.certificates.ready
        self.problem = "; ".join(problem for problem in problems if problem)

    def _read_tokens(self, folder: Path) -> str:
        """The problem with them, if any."""
        try:
            self.tokens = read_tokens(folder)
        except OSError as error:
            self.tokens = Tokens({})
            return f"no tokens in {folder} ({error.strerror})"
        return self.tokens.problem or ("" if self.tokens else f"no tokens in {folder}")

    def _state(self) -> Iterator[tuple[str, int, int]]:
        """Changes with any file."""
        demands = self._demands
        folders = (demands.tokens, demands.certificate, demands.client_ca.parent if demands.client_ca else None)
        for path in (path for folder in folders if folder is not None for path in _telling(folder)):
            with contextlib.suppress(OSError):  # renewed at this moment
                status = path.stat()
                yield str(path), status.st_ino, status.st_mtime_ns


def _telling(folder: Path) -> list[Path]:
    """Where a change shows. A kubelet changes no file: it lays all of them anew, and swaps the link `..data`."""
    swapped = folder / "..data"
    return [swapped] if swapped.exists() else sorted(folder.glob("*"))
