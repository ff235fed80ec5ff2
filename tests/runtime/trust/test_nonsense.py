"""Documents that mean anything or nothing: whatever is in them, a judgement comes out, and no other error."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edgewise_runtime.trust import oms
from edgewise_runtime.trust.judging import Claim, Moment, Proof, Terms, UntrustedError, Verified, judge
from tests.runtime.trust.signing import Package, known, sha256

CONTENT = b"the int8 build"
CLAIM = Claim("digits", "1.0.0", "int8", sha256(CONTENT))
TERMS = Terms((known("alice").trusted,), min_version="0.1.0", not_after="2030-01-01T00:00:00Z")
NOW = Moment(1_796_000_000.0)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
WORDS = st.sampled_from(
    ["..", ".", "", "shards", "files", "sha256", "int8.onnx:0:14", "9" * 60 + ".0.0", "0001-01-01T00:00:00+14:00"]
)
JSON = st.recursive(
    SCALARS | WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=6
)


@cache
def good() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Bundle, statement and manifest of a good package."""
    with TemporaryDirectory() as folder:
        proof = Package(Path(folder) / "p", {"int8": CONTENT}).signed(known("alice"))
    bundle = json.loads(proof.signature)
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    return bundle, statement, json.loads(proof.manifest)


def places(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in inner:
        yield (*at, key)
        yield from places(value, (*at, key))


@st.composite
def changed(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """One of the documents, with something else in one place of it, or nothing there."""
    document = copy.deepcopy(good()[number])
    *way, last = draw(st.sampled_from(list(places(document))))
    holder: Any = document
    for step in way:
        holder = holder[step]
    if draw(st.booleans()):
        holder[last] = draw(JSON)
    else:
        del holder[last]
    return document


def signed(statement: Any) -> bytes:
    """By alice, who may sign."""
    with TemporaryDirectory() as folder:
        key = known("alice").key(Path(folder) / "key")
    payload = json.dumps(statement).encode()
    bundle = copy.deepcopy(good()[0])
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(key.sign(oms.pae(payload))).decode()
    return json.dumps(bundle).encode()


def judged(signature: bytes, manifest: bytes) -> Verified | UntrustedError:
    try:
        return judge(CLAIM, Proof(signature, manifest), TERMS, NOW)
    except UntrustedError as error:
        return error


def covering(manifest: bytes) -> dict[str, Any]:
    """The good statement, over this manifest."""
    statement = copy.deepcopy(good()[1])
    for resource in statement["predicate"]["resources"]:
        if resource["name"] == "edgewise.json":
            resource["digest"] = sha256(manifest)
    resources = [oms.Resource.model_validate(one) for one in statement["predicate"]["resources"]]
    statement["subject"][0]["digest"]["sha256"] = oms.root(resources)
    return statement


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_bytes_are_taken_for_a_proof(signature: bytes, manifest: bytes) -> None:
    assert isinstance(judged(signature, manifest), UntrustedError)


@given(changed(0))
def test_whatever_stands_in_a_signature_file_is_judged(bundle: dict[str, Any]) -> None:
    judged(json.dumps(bundle).encode(), json.dumps(good()[2]).encode())


@given(changed(1))
def test_whatever_was_signed_is_judged(statement: dict[str, Any]) -> None:
    manifest = json.dumps(good()[2]).encode()
    found = judged(signed(statement), manifest)
    if isinstance(found, Verified):
        assert found.content.sha256 in ("", CLAIM.sha256)


@given(changed(2))
def test_whatever_the_manifest_says_is_judged(document: dict[str, Any]) -> None:
    manifest = json.dumps(document).encode()
    found = judged(signed(covering(manifest)), manifest)
    if isinstance(found, Verified):
        assert (document["model"], document["version"]) == (CLAIM.model, CLAIM.version)
        assert found.content.sha256 == CLAIM.sha256
