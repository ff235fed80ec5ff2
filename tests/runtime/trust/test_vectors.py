"""The published vectors of the specification, and what earlier releases of its tool wrote."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edgewise.api.names import Reason
from edgewise_runtime.trust import oms
from edgewise_runtime.trust.content import content_of
from edgewise_runtime.trust.judging import Claim, Moment, Proof, Terms, UntrustedError, judge
from edgewise_runtime.trust.keys import PublicKey, read_keys

VECTORS = Path(__file__).parent / "vectors"
VALID = sorted((VECTORS / "v1.0" / "valid").iterdir())
INVALID = sorted((VECTORS / "v1.0" / "invalid").iterdir())
HISTORY = sorted((VECTORS / "history").iterdir())
FILES = {"signme-1": b"signme-1\n", "signme-2": b"signme-2"}
CLAIM = Claim("model", "1.0.0", "signme-1", "0" * 64)


def content(name: str) -> bytes:
    return (VECTORS / "v1.0" / f"{name}.bundle.json").read_bytes()


@pytest.fixture(scope="module")
def key() -> PublicKey:
    """The one that signed them all: out of the certificate among the vectors."""
    document = json.loads(content("valid/certificate"))
    chain = document["verificationMaterial"]["x509CertificateChain"]["certificates"]
    leaf = x509.load_der_x509_certificate(base64.b64decode(chain[0]["rawBytes"]))
    pem = leaf.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (found,) = read_keys(pem)
    return found


def refusal(signature: bytes, key: PublicKey) -> UntrustedError:
    with pytest.raises(UntrustedError) as caught:
        judge(CLAIM, Proof(signature, b"{}"), Terms((key,)), Moment(0))
    return caught.value


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.name)
def test_valid_vectors_are_read(path: Path) -> None:
    statement = oms.read_statement(oms.read_bundle(path.read_bytes()))
    assert [resource.name for resource in statement.predicate.resources] == list(FILES)


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.name)
def test_invalid_vectors_are_refused(path: Path, key: PublicKey) -> None:
    with pytest.raises(oms.NotSignedError):
        oms.read_bundle(path.read_bytes())
    assert refusal(path.read_bytes(), key).reason == Reason.SIGNATURE_INVALID


def test_another_predicate_is_refused_even_if_it_were_signed() -> None:
    with pytest.raises(oms.NotSignedError, match="predicateType"):
        oms.read_statement(oms.read_bundle(content("invalid-payload/wrong-predicate")))


@pytest.mark.parametrize("name", ["key", "certificate"])
def test_the_key_of_the_vectors_made_their_signatures(name: str, key: PublicKey) -> None:
    bundle = oms.read_bundle(content(f"valid/{name}"))
    assert key.made(bundle.signature, bundle.signed)


def test_the_hint_of_the_key_vector_is_the_fingerprint_of_its_key(key: PublicKey) -> None:
    named = oms.read_bundle(content("valid/key")).verification_material.public_key
    assert named is not None
    assert named.hint == key.fingerprint


def test_keyless_signatures_are_refused_by_name(key: PublicKey) -> None:
    assert "keyless" in str(refusal(content("valid/sigstore"), key))


@pytest.mark.parametrize("name", ["key", "certificate"])
def test_a_signature_without_edgewise_json_says_what_is_missing(name: str, key: PublicKey) -> None:
    assert "covers no edgewise.json" in str(refusal(content(f"valid/{name}"), key))


@pytest.mark.parametrize("path", HISTORY, ids=lambda path: path.name)
def test_signatures_of_earlier_releases_hold(path: Path, key: PublicKey) -> None:
    bundle = oms.read_bundle(path.read_bytes())
    assert key.made(bundle.signature, bundle.signed)
    oms.read_statement(bundle)


@pytest.mark.parametrize("name", FILES)
def test_the_signed_files_match_and_changed_ones_do_not(name: str) -> None:
    statement = oms.read_statement(oms.read_bundle((VECTORS / "history" / "v1.1.0.sig").read_bytes()))
    signed = content_of(statement, name)
    assert signed is not None
    assert signed.matches(io.BytesIO(FILES[name]))
    for changed in (b"", FILES[name][:-1], FILES[name] + b"\n", FILES[name].upper()):
        assert not signed.matches(io.BytesIO(changed))


def _without(document: dict[str, Any], *path: str) -> bytes:
    holder = document
    for step in path[:-1]:
        holder = holder[step]
    del holder[path[-1]]
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "path",
    [
        ("mediaType",),
        ("verificationMaterial",),
        ("verificationMaterial", "publicKey"),
        ("dsseEnvelope", "payload"),
        ("dsseEnvelope", "payloadType"),
        ("dsseEnvelope", "signatures"),
    ],
    ids=".".join,
)
def test_what_lacks_a_member_is_no_signature(path: tuple[str, ...]) -> None:
    """No default of ours may stand in for it."""
    with pytest.raises(oms.NotSignedError):
        oms.read_bundle(_without(json.loads(content("valid/key")), *path))


@pytest.mark.parametrize(
    "path",
    [
        ("_type",),
        ("predicateType",),
        ("predicate", "resources"),
        ("predicate", "serialization"),
        ("predicate", "serialization", "method"),
        ("predicate", "serialization", "hash_type"),
        ("predicate", "serialization", "allow_symlinks"),
    ],
    ids=".".join,
)
def test_what_lacks_a_member_is_no_list_of_files(path: tuple[str, ...]) -> None:
    document = json.loads(content("valid/key"))
    statement = json.loads(base64.b64decode(document["dsseEnvelope"]["payload"]))
    document["dsseEnvelope"]["payload"] = base64.b64encode(_without(statement, *path)).decode()
    bundle = oms.read_bundle(json.dumps(document).encode())
    with pytest.raises(oms.NotSignedError):
        oms.read_statement(bundle)
