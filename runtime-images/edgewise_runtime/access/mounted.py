"""What is demanded of clients, and the mounted Secrets that say how to check it. Read by Access, anew when they change.

A device that cannot check does not guess: while a Secret is missing or unusable, nothing here is ready.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgewise.contract.report import Demand
from edgewise_runtime.access.certificates import Certificates
from edgewise_runtime.access.tokens import Tokens, read_tokens
from edgewise_runtime.mounts import Mounts
from edgewise_runtime.settings import Settings, SettingsError


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

    @property
    def folders(self) -> list[Path]:
        """All that are looked at."""
        folders = (self.tokens, self.certificate, self.client_ca.parent if self.client_ca else None)
        return [folder for folder in folders if folder is not None]

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
        self._mounts = Mounts(demands.folders, self._read)
        self.refresh()

    def refresh(self) -> None:
        """Takes over what has changed since the last time; a few system calls where nothing has."""
        self._mounts.refresh()

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
