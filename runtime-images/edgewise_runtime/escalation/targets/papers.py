"""What one target's Secrets say: who we are, and whom to trust there. Read anew when the kubelet renews them.

Nothing else is trusted where a target names a CA of its own, and no client is asked for a password by OpenSSL. While a
Secret is missing or unusable there are no papers, and the target is not asked: a token that was taken away counts no
more, and a question never goes out with less protection than was wished for.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edgewise.api.escalation import Tls
from edgewise.contract.plan import PlanTarget
from edgewise_runtime.credentials import Credentials, read_credentials
from edgewise_runtime.mounts import Mounts

_HIDDEN = "***"


class PapersError(Exception):
    """A Secret is missing or cannot be used; the message says which, and what to change, and holds none of it."""


@dataclass(frozen=True)
class Papers:
    """Those of one moment. Connections made with other papers are not used with these."""

    credentials: Credentials = field(default_factory=Credentials)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    """None: plain text."""
    server_name: str = ""
    """Whom the certificate must be for; empty: the host of the URL."""

    def hide(self, text: str) -> str:
        """`text` from the target, without what we told it: some servers repeat a request when they complain."""
        secrets = (self.credentials.header().partition(" ")[2], self.credentials.password)
        for secret in filter(None, secrets):
            text = text.replace(secret, _HIDDEN)
        return text


class Desk:
    """Keeps the papers for one target up to date. `renew` blocks; all else is for the event loop."""

    def __init__(self, target: PlanTarget, secrets: Path) -> None:
        """`secrets`: <secrets>/<name of a Secret>/<key>."""
        self.papers: Papers | None = None
        self.problem = ""
        """What a person should change; empty: all is well, or nothing was read yet."""
        self._target = target
        self._secrets = secrets
        self._mounts = Mounts((secrets / name for name in _named(target)), self._read)

    @property
    def outdated(self) -> bool:
        """Whether `renew` has something to do; a few system calls."""
        return self._mounts.changed

    def renew(self) -> None:
        """Reads what has changed. Blocking: the system's CAs alone take a slow device 50 ms."""
        self._mounts.refresh()

    def _read(self) -> None:
        try:
            self.papers, self.problem = _papers(self._target, self._secrets), ""
        except PapersError as error:
            self.papers, self.problem = None, str(error)


def _named(target: PlanTarget) -> Iterator[str]:
    tls = target.tls or Tls()
    for reference in (tls.ca_secret_ref, tls.client_cert_secret_ref, target.credentials_secret_ref):
        if reference is not None:
            yield reference.name


def _papers(target: PlanTarget, secrets: Path) -> Papers:
    secure = target.url.startswith(("https://", "grpcs://"))
    wish = target.tls or Tls()
    context = _context(wish, secrets, "h2" if target.url.startswith("grpc") else "http/1.1") if secure else None
    return Papers(_credentials(target, secrets, secure), context, wish.server_name)


def _credentials(target: PlanTarget, secrets: Path, secure: bool) -> Credentials:
    reference = target.credentials_secret_ref
    if reference is None:
        return Credentials()
    if not secure:
        raise PapersError(f"{target.url} is not encrypted: credentials go to https:// and grpcs:// only")
    found = read_credentials(secrets / reference.name)
    if not found.header():
        raise PapersError(f"Secret {reference.name} is missing, or has neither the key token nor username and password")
    if not found.sendable:
        raise PapersError(f"Secret {reference.name}: its token has characters that no HTTP header may hold")
    return found


def _context(wish: Tls, secrets: Path, protocol: str) -> ssl.SSLContext:
    """TLS 1.2 and up, names checked. `protocol`: as ALPN calls it."""
    context = _trusting(wish, secrets)
    context.set_alpn_protocols([protocol])
    if wish.client_cert_secret_ref is not None:
        folder = secrets / wish.client_cert_secret_ref.name
        try:
            context.load_cert_chain(folder / "tls.crt", folder / "tls.key", _no_password)
        except (OSError, ValueError):
            raise PapersError(
                f"Secret {folder.name} is missing, or its keys tls.crt and tls.key are no certificate with its own key"
            ) from None
    return context


def _trusting(wish: Tls, secrets: Path) -> ssl.SSLContext:
    reference = wish.ca_secret_ref
    if reference is None:
        return ssl.create_default_context()
    try:  # not as text: an empty one would stand for the system's CAs
        return ssl.create_default_context(cafile=str(secrets / reference.name / reference.key))
    except (OSError, ValueError):
        message = f"Secret {reference.name} is missing, or its key {reference.key} holds no certificates in PEM"
        raise PapersError(message) from None


def _no_password() -> bytes:
    """Of a key that has one: OpenSSL would ask for it on the terminal."""
    return b""
