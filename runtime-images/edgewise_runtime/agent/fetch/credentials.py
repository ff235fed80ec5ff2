"""What a source's Secrets say: who we are, whom to trust. Read at every try: a kubelet updates them in place."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass
from pathlib import Path

from edgewise.api.edgemodel import Source
from edgewise.api.names import Reason
from edgewise_runtime.agent.failure import Failure


@dataclass(frozen=True)
class Credentials:
    """A token, or a user name and a password, or nothing."""

    token: str = ""
    username: str = ""
    password: str = ""

    def basic(self) -> str:
        """Value of an Authorization header; empty where there is no user name."""
        if not self.username:
            return ""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    def header(self) -> str:
        """Value of an Authorization header; empty where there is nothing to say."""
        return f"Bearer {self.token}" if self.token else self.basic()


def credentials(secrets: Path, source: Source) -> Credentials:
    """From `<secrets>/<name>/{token | username, password}`. Failure where the Secret is named but not there."""
    if source.secret_ref is None:
        return Credentials()
    folder = secrets / source.secret_ref.name
    found = Credentials(*(_key(folder / key) for key in ("token", "username", "password")))
    if not found.header():
        raise Failure(
            Reason.SOURCE_REFUSED,
            f"source.secretRef: Secret {source.secret_ref.name} is missing, or has neither the key token nor username "
            "and password; create it in the namespace of the EdgeDeployment",
        )
    return found


def trust(secrets: Path, source: Source) -> ssl.SSLContext:
    """The system's certificate authorities, and the source's own where it names one."""
    context = ssl.create_default_context()
    reference = source.ca_secret_ref
    if reference is None:
        return context
    try:
        context.load_verify_locations(cadata=(secrets / reference.name / reference.key).read_text())
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise Failure(
            Reason.SOURCE_REFUSED,
            f"source.caSecretRef: key {reference.key} of Secret {reference.name} is missing or is no PEM bundle",
        ) from error
    return context


def _key(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
