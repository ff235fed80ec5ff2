"""How to reach the API server: the service account of our pod, or a kubeconfig on a developer's machine.

Called once by main. Written here because the `kubernetes` package, which could do it, costs more memory than all the
rest of the operator.
"""

from __future__ import annotations

import base64
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TOKEN_FRESH = 60.0  # seconds; the kubelet replaces a token long before it expires (at 80 % of its life)


class AccessError(Exception):
    """There is no usable way to an API server; the text says what to change."""


@dataclass(frozen=True)
class Access:
    """Everything needed to open connections to one API server."""

    server: str
    tls: ssl.SSLContext
    namespace: str = "default"
    token: Callable[[], str] | None = None
    """Bearer token, read anew from time to time because it rotates; None: the client certificate says who we are."""


class TokenFile:
    """A token that somebody else renews."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._token = ""
        self._read_at = float("-inf")

    def __call__(self) -> str:
        if time.monotonic() - self._read_at > _TOKEN_FRESH:
            self._token, self._read_at = self._path.read_text().strip(), time.monotonic()
        return self._token


def find_access(environment: Mapping[str, str]) -> Access:
    """KUBECONFIG where it is set, else the pod's service account, else ~/.kube/config. Raises AccessError."""
    if paths := environment.get("KUBECONFIG"):
        return from_kubeconfig(_first_existing(paths))
    if (_SERVICE_ACCOUNT / "token").exists() and "KUBERNETES_SERVICE_HOST" in environment:
        return in_cluster(environment)
    return from_kubeconfig(_first_existing(str(Path.home() / ".kube" / "config")))


def in_cluster(environment: Mapping[str, str], folder: Path = _SERVICE_ACCOUNT) -> Access:
    """As the kubelet sets it up for every pod."""
    host, port = environment["KUBERNETES_SERVICE_HOST"], environment.get("KUBERNETES_SERVICE_PORT", "443")
    return Access(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        tls=ssl.create_default_context(cafile=str(folder / "ca.crt")),
        namespace=(folder / "namespace").read_text().strip(),
        token=TokenFile(folder / "token"),
    )


def from_kubeconfig(path: Path) -> Access:
    """The current context of a kubeconfig with a client certificate, a token or a token file. Raises AccessError."""
    config = yaml.safe_load(path.read_text()) or {}
    context = _named(path, config, "contexts", "context", config.get("current-context", ""))
    cluster = _named(path, config, "clusters", "cluster", context.get("cluster", ""))
    user = _named(path, config, "users", "user", context.get("user", ""))
    if "exec" in user or "auth-provider" in user:
        raise AccessError(f"{path}: login by a plug-in is not supported; use a client certificate or a token")
    return Access(
        server=cluster["server"].rstrip("/"),
        tls=_tls(path.parent, cluster, user),
        namespace=context.get("namespace", "default"),
        token=_token(path.parent, user),
    )


def _first_existing(paths: str) -> Path:
    for path in map(Path, paths.split(":")):
        if path.is_file():
            return path
    raise AccessError(f"no API server: not in a pod, and {paths} does not exist; set KUBECONFIG")


def _named(path: Path, config: Mapping[str, Any], section: str, member: str, name: str) -> dict[str, Any]:
    for entry in config.get(section) or ():
        if entry.get("name") == name:
            found: dict[str, Any] = entry.get(member) or {}
            return found
    raise AccessError(f"{path}: no {name!r} among its {section}; see `kubectl config get-contexts`")


def _tls(folder: Path, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    if cluster.get("insecure-skip-tls-verify"):
        raise AccessError(
            "insecure-skip-tls-verify is not supported: put the certificate authority into the kubeconfig"
        )
    authority = _material(folder, cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    certificate, key = _material(folder, user, "client-certificate"), _material(folder, user, "client-key")
    if certificate and key:
        _load_certificate(context, certificate, key)
    return context


def _material(folder: Path, entry: Mapping[str, Any], name: str) -> bytes | None:
    if data := entry.get(f"{name}-data"):
        return base64.b64decode(data)
    return (folder / entry[name]).read_bytes() if entry.get(name) else None


def _load_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    # The ssl module loads client certificates from files only.
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name)


def _token(folder: Path, user: Mapping[str, Any]) -> Callable[[], str] | None:
    if file := user.get("tokenFile"):
        return TokenFile(folder / file)
    if token := user.get("token"):
        return lambda: str(token)
    return None
