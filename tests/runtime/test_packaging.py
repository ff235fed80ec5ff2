"""`kubectl edgewise package`, run as a person runs it: what it prints and writes, and that a device can use it."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner, Result

from edgewise.api.edgemodel import Variant, Verification
from edgewise.cli.__main__ import app
from edgewise.contract.plan import Build
from edgewise_runtime.agent.cache import Cache, Room
from edgewise_runtime.agent.deltas import Deltas
from edgewise_runtime.agent.fetch import Access, Fetcher
from edgewise_runtime.agent.stock import Stock
from edgewise_runtime.trust import MANIFEST, SIGNATURE
from edgewise_runtime.trust.manifest import read_manifest
from tests.runtime.agent.documents import sha256
from tests.runtime.agent.registry import Registry, registry
from tests.runtime.deltas.making import applied, weights

OLD, NEW = weights(20_000).tobytes(), (weights(20_000) * 1.0001).tobytes()
URL = "https://models.example/digits"
EDGE_MODEL = """\
# what the line in hall 3 runs
apiVersion: edgewise.dev/v1alpha1
kind: EdgeModel
metadata:
    name: digits
spec:
    version: 1.0.0   # raised by the release job
    variants:
      - name: int8
        format: ONNX
        precision: INT8
        source:
            uri: "https://models.example/old/digits.onnx"
            sha256: '{old}'
            mirrors: [https://mirror.example/digits.onnx]
            secretRef: {{name: registry}}  # read only
        memory: 40Mi
---
kind: ConfigMap
"""
KEPT = (
    "# what the line in hall 3 runs",
    "    version: 1.1.0   # raised by the release job",
    "      - name: int8",
    "            secretRef: {name: registry}  # read only",
    "kind: ConfigMap",
)
OUT = ("--out", "out", "--url", URL)
IDENTITY = ("--model", "digits", "--version", "1.0.0")
INTO = (*OUT, "--into", "digits.yaml")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "released").mkdir()
    (tmp_path / "released" / "digits.onnx").write_bytes(OLD)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "digits.onnx").write_bytes(NEW)
    (tmp_path / "build" / "notes.txt").write_text("no model")
    (tmp_path / "digits.yaml").write_text(EDGE_MODEL.format(old=sha256(OLD)))
    return tmp_path


def package(root: Path, *arguments: str) -> Result:
    """In the folder of the test."""
    with contextlib.chdir(root):
        return CliRunner().invoke(app, ["package", *arguments])


def packaged(root: Path, *arguments: str) -> list[dict[str, Any]]:
    """spec.variants as printed."""
    done = package(root, *arguments)
    assert done.exit_code == 0, done.stderr
    variants: list[dict[str, Any]] = yaml.safe_load(done.stdout)["spec"]["variants"]
    return variants


def test_a_folder_to_upload_holds_the_file_and_its_copies_and_the_fields_tell_of_each(root: Path) -> None:
    (variant,) = packaged(root, "int8=build/digits.onnx", "--previous", "released", "--out", "out", "--url", URL)
    source, (delta,) = variant["source"], variant["deltas"]
    assert variant["name"] == "int8"
    assert (source["sha256"], source["size"], delta["fromSha256"]) == (sha256(NEW), len(NEW), sha256(OLD))
    for copy, base in ((source, b""), (source["compressed"], b""), (delta, OLD)):
        content = (root / "out" / copy["uri"].removeprefix(f"{URL}/")).read_bytes()
        assert (sha256(content), len(content)) == (copy["sha256"], copy["size"])
        if copy is not source:
            assert applied(root, base, content, NEW) == NEW
    assert delta["size"] < source["compressed"]["size"] < source["size"]


def test_a_folder_is_packaged_file_by_file_under_names_made_of_theirs(root: Path) -> None:
    (root / "build" / "Digits_int8-1.1.0.tflite").write_bytes(b"TFL3" * 100)
    variants = packaged(root, "build", "--out", "out", "--url", URL)
    assert [variant["name"] for variant in variants] == ["digits-int8-1-1-0", "digits"]


def test_an_earlier_file_of_another_name_will_do_and_one_of_no_use_is_left_out(root: Path) -> None:
    (root / "released" / "digits.onnx").rename(root / "released" / "digits-1.0.onnx")
    (root / "released" / "other.onnx").write_bytes(weights(20_000, seed=7).tobytes())
    (variant,) = packaged(root, "build", "--previous", "released", "--out", "out", "--url", URL)
    assert [delta["fromSha256"] for delta in variant["deltas"]] == [sha256(OLD)]


def test_the_table_says_what_is_saved(root: Path) -> None:
    done = package(root, "build/digits.onnx", "--previous", "released/digits.onnx", "--out", "out", "--url", URL)
    *_, head, row = done.stderr.splitlines()
    assert head.split() == ["FILE", "FULL", "COMPRESSED", "DELTA", "FROM", "DELTA", "SAVED"]
    assert row.startswith("digits.onnx")
    assert row.endswith("%")
    assert "digits.onnx  " in row[20:]


def test_a_manifest_gets_the_fields_and_keeps_what_people_wrote_in_it(root: Path) -> None:
    done = package(
        root, "int8=build/digits.onnx", "--previous", "released", "--out", "out", "--url", URL,
        "--into", "digits.yaml", "--version", "1.1.0",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    assert "int8: mirrors taken out" in done.stderr
    written = (root / "digits.yaml").read_text()
    for line in KEPT:
        assert line in written.splitlines()
    variant = Variant.model_validate(next(yaml.safe_load_all(written))["spec"]["variants"][0])
    assert (variant.source.sha256, variant.source.mirrors, variant.memory) == (sha256(NEW), [], "40Mi")
    assert variant.source.compressed is not None
    assert len(variant.deltas) == 1


def test_packaging_again_takes_out_what_the_new_version_has_not(root: Path) -> None:
    into = ("--into", "digits.yaml", "--url", URL)
    package(root, "int8=build/digits.onnx", "--previous", "released", "--out", "one", *into)
    (root / "build" / "digits.onnx").write_bytes(b"tiny")
    assert package(root, "int8=build/digits.onnx", "--out", "two", *into).exit_code == 0
    variant = Variant.model_validate(
        next(yaml.safe_load_all((root / "digits.yaml").read_text()))["spec"]["variants"][0]
    )
    assert (variant.deltas, variant.source.compressed, variant.source.size) == ([], None, 4)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["build"], "say where the files go: --to oci://"),
        (["build", "--to", "oci://a/b:1", "--out", "out"], "say where the files go: --to oci://"),
        (["build", "--to", "ghcr.io/acme/digits:1"], "ghcr.io/acme/digits:1 is no registry; write it as oci://"),
        (["build", "--out", "out"], "say where devices will find the folder: --url https://HOST/PATH"),
        (["build", "--out", "released", "--url", URL], "released is not empty: name a folder that is new"),
        (["digits.onnx", *OUT], "there is no file digits.onnx"),
        (["build/notes.txt=x", *OUT], "there is no file x"),
        (["released", "build", *OUT], "two files have the variant digits"),
        (["build", *INTO], "there is no variant digits (there are int8)"),
        (["build", *INTO, "--model", "x"], "has the EdgeModels digits"),
        (["build", *OUT, "--into", "none.yaml"], "cannot read none.yaml"),
        (["build", *OUT, "--into", "build/notes.txt"], "build/notes.txt has none"),
        (["build", *OUT, "--sign", "key.pem"], "--model and --version"),
        (
            ["int8=build/digits.onnx", *OUT, "--sign", "none.pem", "--model", "digits", "--version", "1.0.0"],
            "cannot sign with none.pem",
        ),
        (["build", *INTO, "--encrypt", "key"], "--key-secret SECRET/KEY"),
        (["build", *INTO, "--encrypt", "key", "--key-secret", "model"], "write it as SECRET/KEY"),
        (["build", "--to", "oci://127.0.0.1:1/digits:1", "--plain-http"], "cannot push to oci://127.0.0.1:1/digits:1"),
    ],
)
def test_what_cannot_be_packaged_is_told_with_what_to_change(root: Path, arguments: list[str], told: str) -> None:
    before = (root / "digits.yaml").read_text()
    done = package(root, *arguments)
    assert done.exit_code == 1
    assert told in done.stderr
    assert (root / "digits.yaml").read_text() == before


def key_file(folder: Path) -> str:
    """A private key to sign with."""
    path = folder / "key.pem"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(ec.generate_private_key(ec.SECP256R1()).private_bytes(*form))
    return str(path)


def test_a_signed_package_says_which_model_and_version_its_files_are(root: Path) -> None:
    done = package(
        root, "int8=build/digits.onnx", *INTO, "--version", "1.1.0", "--sign", key_file(root),
        "--public-key-secret", "signers/alice.pub", "--expires", "2030-01-01T00:00:00Z",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    manifest = read_manifest((root / "out" / MANIFEST).read_bytes())
    assert (manifest.model, manifest.version, manifest.files) == ("digits", "1.1.0", {"int8": "digits.onnx"})
    assert manifest.not_after == "2030-01-01T00:00:00Z"
    spec = next(yaml.safe_load_all((root / "digits.yaml").read_text()))["spec"]
    verification = Verification.model_validate(spec["verification"])
    assert (verification.required, verification.public_keys[0].secret_ref.key) == (True, "alice.pub")
    for told, name in ((verification.signature, SIGNATURE), (verification.manifest, MANIFEST)):
        assert told is not None
        assert (told.uri, told.sha256) == (f"{URL}/{name}", sha256((root / "out" / name).read_bytes()))


def test_an_encrypted_package_has_the_ciphertext_and_no_copies_of_it(root: Path) -> None:
    (root / "model.key").write_bytes(base64.b64encode(bytes(range(32))))
    done = package(
        root, "int8=build/digits.onnx", "--previous", "released", *INTO, "--version", "1.1.0",
        "--encrypt", "model.key", "--key-secret", "digits-key/model.key",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    spec = next(yaml.safe_load_all((root / "digits.yaml").read_text()))["spec"]
    variant = Variant.model_validate(spec["variants"][0])
    content = (root / "out" / variant.source.uri.removeprefix(f"{URL}/")).read_bytes()
    assert sha256(content) == variant.source.sha256
    assert NEW[:1000] not in content
    assert (variant.deltas, variant.source.compressed) == ([], None)
    assert spec["encryption"] == {"keySecretRef": {"name": "digits-key", "key": "model.key"}}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Registry]:
    async with registry(tmp_path / "registry") as running:
        yield running


async def test_what_is_pushed_to_a_registry_is_what_devices_pull_from_it(root: Path, store: Registry) -> None:
    uri = f"oci://{store.host}/digits:1.1.0"
    (variant,) = packaged(root, "int8=build/digits.onnx", "--previous", "released", "--to", uri, "--plain-http")
    source = {**variant["source"], "plainHTTP": True}
    for has in (OLD, b""):
        counted: list[str] = []
        cache = Cache(root / f"cache-{len(has)}")
        if has:
            cache.blob(sha256(OLD)).parent.mkdir(parents=True)
            cache.blob(sha256(OLD)).write_bytes(OLD)
        fetcher = Fetcher(Access(root / "secrets", frozenset({"127.0.0.1"})))
        build = Build.model_validate(
            {"variant": "int8", "format": "ONNX", "precision": "INT8", "memory": 1, "deltas": variant["deltas"],
             "source": source}
        )  # fmt: skip
        path = await Stock(cache, fetcher, Deltas(counted.append)).obtain(build, Room(2**22), lambda _: None)
        assert path.read_bytes() == NEW
        assert counted == ["applied"]
