"""The operator's own certificate authority and serving certificate: what to make, what to renew, and when. No I/O.

The authorities are a bundle: a new one is published a day before anything is signed with it, and an old one stays until
it runs out, so that devices, which get the bundle in the plan, trust the server at every moment. Called by
certificates.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=5 * 365)
SERVING_LIFE = timedelta(days=90)
PUBLISHED_BEFORE_USE = timedelta(days=1)
_SKEW = timedelta(hours=1)  # devices' clocks may be behind


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def made_at(self) -> datetime:
        return self.certificate.not_valid_before_utc + _SKEW

    def is_due(self, now: datetime) -> bool:
        """Two thirds of its life are over."""
        return now >= self.made_at + (self.certificate.not_valid_after_utc - self.made_at) * 2 / 3

    def certificate_pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()


@dataclass(frozen=True)
class Material:
    """Everything the Secret holds."""

    authorities: tuple[Pair, ...]
    """Oldest first; all of them are trusted."""
    serving: Pair

    @property
    def bundle(self) -> str:
        return "".join(pair.certificate_pem() for pair in self.authorities)

    def to_secret(self) -> dict[str, str]:
        """Keys and PEM texts of the Secret, after the fashion of kubernetes.io/tls."""
        return {
            "ca.crt": self.bundle,
            "ca.key": "".join(pair.key_pem() for pair in self.authorities),
            "tls.crt": self.serving.certificate_pem(),
            "tls.key": self.serving.key_pem(),
        }


def from_secret(texts: dict[str, str]) -> Material | None:
    """What `to_secret` wrote; None where somebody damaged it, so that it is made anew."""
    try:
        certificates = x509.load_pem_x509_certificates(texts["ca.crt"].encode())
        keys = [_key(text) for text in _split(texts["ca.key"])]
        serving = Pair(x509.load_pem_x509_certificate(texts["tls.crt"].encode()), _key(texts["tls.key"]))
        pairs = [Pair(certificate, key) for certificate, key in zip(certificates, keys, strict=True)]
        _names_of(serving)
    except (KeyError, ValueError, TypeError, x509.ExtensionNotFound):
        return None
    return Material(tuple(pairs), serving) if all(map(_belong, (*pairs, serving))) else None


def renewed(material: Material | None, hosts: Sequence[str], now: datetime) -> Material:
    """The same material where nothing is due; else with a new authority, a new serving certificate, or both."""
    held = material.authorities if material is not None else ()
    authorities = tuple(pair for pair in held if pair.certificate.not_valid_after_utc > now)
    if not authorities or authorities[-1].is_due(now):
        authorities = (*authorities, _authority(now))
    serving = material.serving if material is not None else None
    if serving is None or serving.is_due(now) or not _fits(serving, authorities, hosts):
        serving = _serving(_signer(authorities, now), hosts, now)
    return Material(authorities, serving)


def _signer(authorities: Sequence[Pair], now: datetime) -> Pair:
    """The newest that every device has had a day to hear of; at the very start there is only one."""
    known = [pair for pair in authorities if now - pair.made_at >= PUBLISHED_BEFORE_USE]
    return known[-1] if known else authorities[0]


def _fits(serving: Pair, authorities: Sequence[Pair], hosts: Sequence[str]) -> bool:
    issuers = {pair.certificate.subject for pair in authorities}
    return serving.certificate.issuer in issuers and _names_of(serving) == _names(hosts)


def _names_of(serving: Pair) -> list[x509.GeneralName]:
    return list(serving.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def _authority(now: datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    # The date tells two authorities apart that live at the same time.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"edgewise operator {now:%Y-%m-%d %H:%M:%S}")])
    builder = _builder(name, name, key, now, now + AUTHORITY_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return Pair(builder.sign(key, hashes.SHA256()), key)


def _serving(signer: Pair, hosts: Sequence[str], now: datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64])])
    end = min(now + SERVING_LIFE, signer.certificate.not_valid_after_utc)
    builder = _builder(name, signer.certificate.subject, key, now, end)
    builder = builder.add_extension(x509.SubjectAlternativeName(_names(hosts)), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())
    return Pair(builder.add_extension(identifier, critical=False).sign(signer.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - _SKEW).not_valid_after(end)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    return [_name(host) for host in hosts]


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _split(text: str) -> list[str]:
    mark = "-----END PRIVATE KEY-----"
    return [f"{part}{mark}\n" for part in text.split(mark) if part.strip()]


def _key(text: str) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(text.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not an elliptic-curve key")
    return key


def _belong(pair: Pair) -> bool:
    return pair.certificate.public_key() == pair.key.public_key()
