"""TLS on the serving ports, out of mounted Secrets that are renewed in place. Used by Access.

A connection keeps what it was opened with; each new one gets the newest certificate, and is checked by the newest CAs.
"""

from __future__ import annotations

import ssl
from pathlib import Path

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2: forward secret and authenticated; TLS 1.3 has no others


class Certificates:
    """A server's certificate and, where clients must show one too, the CAs that sign theirs."""

    def __init__(self, folder: Path, client_ca: Path | None) -> None:
        """`folder`: of tls.crt and tls.key. `client_ca`: a PEM bundle; None: clients need no certificate."""
        self.context = _Renewing(ssl.PROTOCOL_TLS_SERVER)
        """For asyncio, as long as the server lives. Until there is a certificate every handshake fails."""
        self.ready = False
        self.problem = ""
        """What a person should change; empty: all is well."""
        self._folder = folder
        self._client_ca = client_ca
        self._authorities: bytes | None = None

    def refresh(self) -> None:
        """Takes over what is on disk now.

        A certificate that cannot be used leaves the one before in force: the server is still who it says it is. CAs
        that cannot be used leave nothing in force: taking them away is how clients are shut out."""
        fresh = _context()
        try:
            authorities = self._trust(fresh)
        except (OSError, ValueError) as error:
            self.ready, self.problem = False, f"no CAs of client certificates in {self._client_ca} ({_why(error)})"
            return
        try:
            fresh.load_cert_chain(self._folder / "tls.crt", self._folder / "tls.key", _no_password)
        except (OSError, ValueError) as error:
            self.ready = self.ready and authorities == self._authorities
            on = "; the one before is used on" if self.ready else ""
            self.problem = f"no certificate in {self._folder}: tls.crt and tls.key are needed ({_why(error)}){on}"
            return
        self.context.newest, self._authorities = fresh, authorities
        self.ready, self.problem = True, ""

    def _trust(self, context: ssl.SSLContext) -> bytes | None:
        if self._client_ca is None:
            return None
        context.load_verify_locations(self._client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
        return self._client_ca.read_bytes()


class _Renewing(ssl.SSLContext):
    """Stands before the newest context: asyncio asks it for each connection's own object, and for nothing else."""

    newest: ssl.SSLContext | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        if self.newest is None:
            return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        return self.newest.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1", "h2"])
    return context


def _no_password() -> bytes:
    """Of a key that has one. OpenSSL would ask for it on the terminal."""
    return b""


def _why(error: Exception) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
