"""What is let in, and every way in which something else tries to pass for it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgewise.api.names import Reason
from edgewise.contract.trust import instant
from edgewise_runtime.trust.judging import Claim, Moment, Proof, Terms, UntrustedError, Verified, judge
from tests.runtime.trust.signing import KINDS, Package, known, resigned, sha256, signer, tampered

INT8, FP32 = b"the int8 build", b"the fp32 build"
BUILDS = {"int8": INT8, "fp32": FP32}
LATER = instant("2026-12-01T00:00:00Z")


def claim(**more: str) -> Claim:
    return Claim(**({"model": "digits", "version": "1.0.0", "variant": "int8", "sha256": sha256(INT8)} | more))


def terms(*names: str, **more: Any) -> Terms:
    return Terms(tuple(known(name).trusted for name in names or ("alice",)), **more)


def package(folder: Path, **more: Any) -> Package:
    return Package(folder / "package", **({"files": BUILDS} | more))


@pytest.fixture
def proof(tmp_path: Path) -> Proof:
    return package(tmp_path).signed(known("alice"))


def refused(
    proof: Proof, wanted: Claim | None = None, asked: Terms | None = None, moment: Moment | None = None
) -> UntrustedError:
    with pytest.raises(UntrustedError) as caught:
        judge(wanted or claim(), proof, asked or terms(), moment or Moment(LATER))
    return caught.value


def accepted(proof: Proof, wanted: Claim, asked: Terms, moment: Moment | None = None) -> Verified:
    return judge(wanted, proof, asked, moment or Moment(LATER))


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_of_every_kind_signs_what_devices_take(kind: str, tmp_path: Path) -> None:
    key = signer(kind)
    verified = accepted(package(tmp_path).signed(key), claim(), Terms((key.trusted,)))
    assert verified.signer.fingerprint == key.trusted.fingerprint
    assert verified.content.sha256 == sha256(INT8)


@pytest.mark.parametrize("variant", BUILDS)
def test_one_signature_covers_every_build(variant: str, proof: Proof) -> None:
    assert accepted(proof, claim(variant=variant, sha256=sha256(BUILDS[variant])), terms())


def test_any_of_several_keys_will_do(proof: Proof) -> None:
    assert accepted(proof, claim(), terms("bob", "alice")).signer == known("alice").trusted


def test_of_a_taken_away_key_nothing_is_taken(proof: Proof) -> None:
    error = refused(proof, asked=terms("bob"))
    assert error.reason == Reason.SIGNATURE_INVALID
    assert known("alice").trusted.shown in str(error)
    assert known("bob").trusted.shown in str(error)


@dataclass(frozen=True)
class Attack:
    """A proof made out of the good one, and what the refusal says."""

    forge: Callable[[Proof, Path], Proof]
    says: str


def _changed(change: Callable[[dict[str, Any]], None]) -> Callable[[Proof, Path], Proof]:
    return lambda proof, _: Proof(tampered(proof.signature, change), proof.manifest)


def _envelope(change: Callable[[dict[str, Any]], None]) -> Callable[[Proof, Path], Proof]:
    def forge(proof: Proof, _: Path) -> Proof:
        document = json.loads(proof.signature)
        change(document)
        return Proof(json.dumps(document).encode(), proof.manifest)

    return forge


def _nonsense(change: Callable[[dict[str, Any]], None]) -> Callable[[Proof, Path], Proof]:
    """Signed by alice herself: a careless signer must not be able to fool a device either."""
    return lambda proof, folder: Proof(resigned(proof.signature, known("alice"), folder / "x", change), proof.manifest)


def _resource(name: str, content: bytes) -> dict[str, str]:
    return {"name": name, "algorithm": "sha256", "digest": sha256(content)}


def _swap(statement: dict[str, Any]) -> None:
    statement["predicate"]["resources"][-1]["digest"] = sha256(b"evil")


def _twice(statement: dict[str, Any]) -> None:
    statement["predicate"]["resources"].append(_resource("int8.onnx", b"evil"))


def _climb(statement: dict[str, Any]) -> None:
    statement["predicate"]["resources"].append(_resource("../int8.onnx", b"evil"))


def _unlisted(statement: dict[str, Any]) -> None:
    statement["predicate"]["resources"] = []


def _foreign_hash(statement: dict[str, Any]) -> None:
    statement["predicate"]["serialization"]["hash_type"] = "md5"


ATTACKS = {
    "no signature": Attack(lambda proof, _: Proof(b"", proof.manifest), "no OpenSSF model signature"),
    "noise": Attack(lambda proof, _: Proof(bytes(range(256)), proof.manifest), "no OpenSSF model signature"),
    "a list": Attack(lambda proof, _: Proof(b"[]", proof.manifest), "no OpenSSF model signature"),
    "deep JSON": Attack(lambda proof, _: Proof(b"[" * 100_000, proof.manifest), "no OpenSSF model signature"),
    "a stranger's": Attack(
        lambda _, folder: package(folder).signed(known("mallory")), "none of the keys that may sign"
    ),
    "a stranger's under a known hint": Attack(
        lambda _, folder: _hinted(package(folder).signed(known("mallory"))), "does not belong to what it is over"
    ),
    "over other files": Attack(_changed(_swap), "does not belong to what it is over"),
    "with a file more": Attack(_changed(_twice), "does not belong to what it is over"),
    "of zeros": Attack(
        _envelope(lambda document: document["dsseEnvelope"]["signatures"][0].update(sig="AAAA")),
        "does not belong to what it is over",
    ),
    "none in the envelope": Attack(
        _envelope(lambda document: document["dsseEnvelope"].update(signatures=[])), "no OpenSSF model signature"
    ),
    "two in the envelope": Attack(
        _envelope(lambda document: document["dsseEnvelope"]["signatures"].append({"sig": "AAAA"})),
        "no OpenSSF model signature",
    ),
    "of another payload type": Attack(
        _envelope(lambda document: document["dsseEnvelope"].update(payloadType="text/plain")),
        "no OpenSSF model signature",
    ),
    "of another media type": Attack(
        _envelope(lambda document: document.update(mediaType="application/json")), "no OpenSSF model signature"
    ),
    "base64 with a hole": Attack(
        _envelope(lambda document: document["dsseEnvelope"].update(payload="e!30=")), "no base64"
    ),
    "keyless": Attack(
        _envelope(
            lambda document: document.update(
                verificationMaterial={"certificate": {"rawBytes": ""}, "tlogEntries": [{}]}
            )
        ),
        "keyless",
    ),
    "another manifest": Attack(
        lambda proof, folder: Proof(proof.signature, package(folder, version="9.9.9").manifest), "is not the signed one"
    ),
    "no manifest": Attack(lambda proof, _: Proof(proof.signature, b""), "is not the signed one"),
    "signed: one file twice": Attack(_nonsense(_twice), "listed twice"),
    "signed: a path that climbs": Attack(_nonsense(_climb), "no path below the signed folder"),
    "signed: no file": Attack(_nonsense(_unlisted), "no list of a model's files"),
    "signed: an unknown hash": Attack(_nonsense(_foreign_hash), "serialization.hash_type"),
    "signed: another root": Attack(
        _nonsense(lambda statement: statement["subject"][0]["digest"].update(sha256="00")), "not that of the files"
    ),
}


def _hinted(proof: Proof) -> Proof:
    document = json.loads(proof.signature)
    document["verificationMaterial"]["publicKey"]["hint"] = known("alice").trusted.fingerprint
    return Proof(json.dumps(document).encode(), proof.manifest)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_signature_that_is_not_good_is_refused(name: str, proof: Proof, tmp_path: Path) -> None:
    attack = ATTACKS[name]
    error = refused(attack.forge(proof, tmp_path / "forged"))
    assert error.reason == Reason.SIGNATURE_INVALID
    assert attack.says in str(error)


@pytest.mark.parametrize("percent", range(100))
def test_a_cut_signature_is_refused(percent: int, proof: Proof) -> None:
    cut = proof.signature[: len(proof.signature) * percent // 100]
    assert refused(Proof(cut, proof.manifest)).reason == Reason.SIGNATURE_INVALID


@pytest.mark.parametrize("percent", range(100))
def test_a_cut_manifest_is_refused(percent: int, proof: Proof) -> None:
    cut = proof.manifest[: len(proof.manifest) * percent // 100]
    assert refused(Proof(proof.signature, cut)).reason == Reason.SIGNATURE_INVALID


def test_no_changed_bit_of_the_signed_bytes_goes_unnoticed(proof: Proof) -> None:
    document = json.loads(proof.signature)
    payload = base64.b64decode(document["dsseEnvelope"]["payload"])
    for position in range(0, len(payload), 7):
        changed = bytearray(payload)
        changed[position] ^= 1
        document["dsseEnvelope"]["payload"] = base64.b64encode(changed).decode()
        refused(Proof(json.dumps(document).encode(), proof.manifest))


REPLAYS = {
    "an old version under a new number": (claim(version="2.0.0"), "is for version 1.0.0, spec.version says 2.0.0"),
    "a new version under an old number": (claim(version="0.9.0"), "is for version 1.0.0, spec.version says 0.9.0"),
    "another model": (claim(model="faces"), "is for model digits, the EdgeModel is called faces"),
    "an unsigned variant": (claim(variant="fp16"), "does not cover variant fp16 (it covers fp32, int8)"),
    "another variant's file": (claim(variant="fp32"), "one of the two is of another version"),
    "a file of another version": (claim(sha256=sha256(b"older")), "one of the two is of another version"),
}


@pytest.mark.parametrize("name", REPLAYS)
def test_a_good_signature_is_of_no_use_for_anything_else(name: str, proof: Proof) -> None:
    wanted, says = REPLAYS[name]
    error = refused(proof, wanted)
    assert error.reason == Reason.SIGNATURE_INVALID
    assert says in str(error)


@pytest.mark.parametrize(("lowest", "taken"), [("0.9.0", True), ("1.0.0", True), ("1.0.1", False), ("10.0.0", False)])
def test_the_barrier_keeps_old_versions_out(lowest: str, taken: bool, proof: Proof) -> None:
    asked = terms(min_version=lowest)
    if taken:
        assert accepted(proof, claim(), asked)
    else:
        assert refused(proof, asked=asked).reason == Reason.VERSION_TOO_OLD


def test_an_absurd_version_keeps_no_other_out(tmp_path: Path) -> None:
    """Fast-forward: devices remember no number, so there is nothing to get past."""
    high = f"{10**18}.0.0"
    first = package(tmp_path / "absurd", version=high).signed(known("alice"))
    assert accepted(first, claim(version=high), terms())
    assert accepted(package(tmp_path).signed(known("alice")), claim(), terms())


DATES: dict[str, tuple[dict[str, Any], dict[str, Any], Moment, str]] = {
    "no date": ({}, {}, Moment(LATER), ""),
    "no date, and no clock": ({}, {}, Moment(0, "it is 1970"), ""),
    "signed until tomorrow": ({"not_after": "2026-12-02T00:00:00Z"}, {}, Moment(LATER), ""),
    "signed until now": ({"not_after": "2026-12-01T00:00:00Z"}, {}, Moment(LATER), Reason.SIGNATURE_EXPIRED),
    "asked until tomorrow": ({}, {"not_after": "2026-12-02T00:00:00Z"}, Moment(LATER), ""),
    "asked until yesterday": ({}, {"not_after": "2026-11-30T00:00:00Z"}, Moment(LATER), Reason.SIGNATURE_EXPIRED),
    "the earlier counts": (
        {"not_after": "2030-01-01T00:00:00Z"},
        {"not_after": "2026-11-30T00:00:00+02:00"},
        Moment(LATER),
        Reason.SIGNATURE_EXPIRED,
    ),
    "a clock that is doubted": (
        {"not_after": "2026-12-02T00:00:00Z"},
        {},
        Moment(LATER, "it was later before"),
        Reason.CLOCK_UNTRUSTED,
    ),
    "a clock before the signature": ({"not_after": "2026-12-02T00:00:00Z"}, {}, Moment(0), Reason.CLOCK_UNTRUSTED),
    "served before this start": (
        {"not_after": "2026-11-30T00:00:00Z"},
        {"expires": False},
        Moment(0, "it is 1970"),
        "",
    ),
}


@pytest.mark.parametrize("name", DATES)
def test_dates_count_where_the_clock_can_be_believed(name: str, tmp_path: Path) -> None:
    signed, asked, moment, reason = DATES[name]
    proof = package(tmp_path, more=signed).signed(known("alice"))
    if reason:
        assert refused(proof, asked=terms(**asked), moment=moment).reason == reason
    else:
        assert accepted(proof, claim(), terms(**asked), moment)
