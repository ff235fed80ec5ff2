"""A certificate authority for one cluster, and the certificates and kubeconfigs of its parts.

Elliptic keys, since they cost nothing to make; the service-account key is RSA, as in K3s and kubeadm clusters, so that
what verifies tokens meets the algorithm it will meet in the field.
"""

import datetime
import ipaddress
import json
import threading
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_ONE_AT_A_TIME = threading.Lock()
_LIFE = datetime.timedelta(days=3650)


@dataclass(frozen=True)
class Certificate:
    """Paths of a PEM certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """The certificate authority kept in `folder`; made when first needed, found again later."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.crt"
        self.ca_key = folder / "ca.key"
        self.service_account_key = folder / "sa.key"
        self.service_account_public = folder / "sa.pub"

    def issue(self, name: str, user: str, groups: tuple[str, ...] = (), hosts: tuple[str, ...] = ()) -> Certificate:
        """A certificate for `user` in `groups` (CN and O), or for a server with these host names and addresses."""
        paths = Certificate(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        if paths.certificate.exists():
            return paths
        self.create()
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(paths.key, key)
        certificate = self._sign(key, _subject(user, groups), hosts)
        paths.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
        return paths

    def kubeconfig(self, name: str, server: str, user: str, groups: tuple[str, ...] = ()) -> Path:
        """A kubeconfig, certificates embedded, with which `user` in `groups` speaks to `server`."""
        identity = self.issue(name, user, groups)
        path = self.folder / f"{name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(_kubeconfig(server, self.ca, identity), indent=1))
        return path

    def create(self) -> None:
        """Makes the authority and the service-account key; keeps those that are there."""
        with _ONE_AT_A_TIME:
            if not self.service_account_public.exists():
                self._create()

    def _create(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(self.ca_key, key)
        name = _subject("edgewise-test-ca", ())
        certificate = _builder(name, name, key).add_extension(x509.BasicConstraints(True, 0), critical=True)
        self.ca.write_bytes(certificate.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
        signer = rsa.generate_private_key(65537, 2048)
        _write_key(self.service_account_key, signer)
        public = signer.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.service_account_public.write_bytes(public)

    def _sign(self, key: _Key, subject: x509.Name, hosts: tuple[str, ...]) -> x509.Certificate:
        authority_key = load_pem_private_key(self.ca_key.read_bytes(), None)
        assert isinstance(authority_key, ec.EllipticCurvePrivateKey)
        issuer = x509.load_pem_x509_certificate(self.ca.read_bytes()).subject
        builder = _builder(subject, issuer, key)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(h) for h in hosts]), critical=False)
        return builder.sign(authority_key, hashes.SHA256())


def _builder(subject: x509.Name, issuer: x509.Name, key: _Key) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _LIFE)
    )


def _subject(user: str, groups: tuple[str, ...]) -> x509.Name:
    organisations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organisations, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_key(path: Path, key: _Key) -> None:
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _kubeconfig(server: str, ca: Path, identity: Certificate) -> dict[str, object]:
    def embedded(path: Path) -> str:
        return b64encode(path.read_bytes()).decode()

    user = {
        "client-certificate-data": embedded(identity.certificate),
        "client-key-data": embedded(identity.key),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "edgewise", "cluster": {"server": server, "certificate-authority-data": embedded(ca)}}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "edgewise", "context": {"cluster": "edgewise", "user": "user"}}],
        "current-context": "edgewise",
    }
