"""With the tool that everybody else uses: what it signs devices take, what we sign it takes, and neither takes less.

It brings 130 MB and its own versions of our packages, so it lives in an environment of its own, in the cache.
"""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgewise.cli.packaging.signing import sign
from edgewise_runtime.trust import MANIFEST, SIGNATURE, oms
from edgewise_runtime.trust.judging import Claim, Moment, Proof, Terms, UntrustedError, judge
from tests.cluster.wheels import Wheels
from tests.runtime.trust.signing import Package, Signer, known, sha256, signer

WHEELS = Wheels("model-signing", ("model-signing==1.1.1", "sigstore==4.5.1", "pyopenssl==26.4.0"))
BUILDS = {"int8": b"the int8 build", "fp32": b"the fp32 build" * 1000}
CURVES = ["P-256", "P-384", "P-521"]


class Tool:
    """The tool's own API, in a process that stays: its imports take a second."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, "-c", _ANSWERING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def sign(self, folder: Path, by: Signer, read: str = "Config()") -> Proof:
        """`read`: how it reads files, an expression of model_signing.hashing."""
        private = folder.with_suffix(".private")
        private.write_bytes(by.private)
        signed = self._does(
            f"signing.Config().use_elliptic_key_signer(private_key={str(private)!r})"
            f".set_hashing_config({read}).sign({str(folder)!r}, {str(folder / SIGNATURE)!r})"
        )
        assert signed
        return Proof((folder / SIGNATURE).read_bytes(), (folder / MANIFEST).read_bytes())

    def takes(self, folder: Path, by: Signer) -> bool:
        """Whether the folder is what its signature says, by this key."""
        public = folder.with_suffix(".public")
        public.write_bytes(by.public)
        ignoring = f"Config().set_ignored_paths(paths=[{str(folder / SIGNATURE)!r}])"
        return self._does(
            f"verifying.Config().use_elliptic_key_verifier(public_key={str(public)!r})"
            f".set_hashing_config({ignoring}).verify(Path({str(folder)!r}), {str(folder / SIGNATURE)!r})"
        )

    def _does(self, expression: str) -> bool:
        """False: it raised the error that it has for what does not hold."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(expression + "\n")
        answer = self._process.stdout.readline().strip()
        assert answer in ("done", "refused"), answer
        return answer == "done"

    def close(self) -> None:
        self._process.communicate()


_ANSWERING = """
import sys
from pathlib import Path
from cryptography.exceptions import InvalidSignature
from model_signing import signing, verifying
from model_signing.hashing import Config
for line in sys.stdin:
    try:
        eval(line)
    except (ValueError, InvalidSignature) as error:
        print("refused", flush=True)
    except Exception as error:
        print(repr(error), flush=True)
    else:
        print("done", flush=True)
"""


@pytest.fixture(scope="module")
def tool() -> Iterator[Tool]:
    running = Tool(WHEELS.python())
    yield running
    running.close()


def command(*arguments: object) -> bool:
    """The tool as people call it."""
    words = [WHEELS.python(), "-m", "model_signing", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def claim(variant: str, content: bytes) -> Claim:
    return Claim("digits", "1.0.0", variant, sha256(content))


def test_the_two_command_lines_take_each_other_s_signatures(tmp_path: Path) -> None:
    by, folder = known("alice"), Package(tmp_path / "m", BUILDS).written()
    private, public, signature = tmp_path / "private.pem", tmp_path / "public.pem", folder / SIGNATURE
    private.write_bytes(by.private)
    public.write_bytes(by.public)
    assert command("sign", "key", folder, "--private_key", private, "--signature", signature)
    proof = Proof(signature.read_bytes(), (folder / MANIFEST).read_bytes())
    assert judge(claim("int8", BUILDS["int8"]), proof, Terms((by.trusted,)), Moment(0))
    signature.write_bytes(sign(folder, by.key(folder), "digits"))
    assert command("verify", "key", folder, "--public_key", public, "--signature", signature)


@pytest.mark.parametrize("curve", CURVES)
def test_devices_take_what_the_tool_signs(curve: str, tool: Tool, tmp_path: Path) -> None:
    by = signer(curve)
    proof = tool.sign(Package(tmp_path / "m", BUILDS).written(), by)
    for variant, content in BUILDS.items():
        assert judge(claim(variant, content), proof, Terms((by.trusted,)), Moment(0))
    with pytest.raises(UntrustedError):
        judge(claim("int8", b"x"), proof, Terms((by.trusted,)), Moment(0))
    with pytest.raises(UntrustedError):
        judge(claim("int8", BUILDS["int8"]), proof, Terms((known("bob").trusted,)), Moment(0))


@pytest.mark.parametrize("curve", CURVES)
def test_the_tool_takes_what_we_sign(curve: str, tool: Tool, tmp_path: Path) -> None:
    by = signer(curve)
    folder = Package(tmp_path / "m", BUILDS).written()
    deltas = folder / "deltas"
    deltas.mkdir()
    (deltas / "int8.onnx.packed").write_bytes(b"what comes out of it is compared with the signed file")
    (folder / SIGNATURE).write_bytes(sign(folder, by.key(folder), "digits", ignore=("deltas",)))
    assert tool.takes(folder, by)
    assert not tool.takes(folder, signer(curve))


CHANGES: dict[str, Callable[[Path], object]] = {
    "a changed file": lambda folder: (folder / "int8.onnx").write_bytes(b"evil"),
    "a missing file": lambda folder: (folder / "int8.onnx").unlink(),
    "a file more": lambda folder: (folder / "fp16.onnx").write_bytes(b"evil"),
    "another version": lambda folder: (folder / MANIFEST).write_bytes(
        Package(folder, BUILDS, version="2.0.0").manifest
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_tool_refuses_what_changed_after_we_signed(name: str, tool: Tool, tmp_path: Path) -> None:
    by = known("alice")
    package = Package(tmp_path / "m", BUILDS)
    package.signed(by)
    assert tool.takes(package.folder, by)
    CHANGES[name](package.folder)
    assert not tool.takes(package.folder, by)


def test_both_list_the_same_files_with_the_same_digests(tool: Tool, tmp_path: Path) -> None:
    """Names that sort differently as text and as paths, too."""
    by = known("alice")
    folder = Package(tmp_path / "m", BUILDS).written()
    for name in ("a.txt", "a/b.txt", "a-b", "ä.txt"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    ours, theirs = sign(folder, by.key(folder), "digits"), tool.sign(folder, by).signature
    statements = [oms.read_statement(oms.read_bundle(one)) for one in (ours, theirs)]
    listed = [{one.name: one.digest for one in statement.predicate.resources} for statement in statements]
    assert listed[0] == listed[1]
    (folder / SIGNATURE).write_bytes(ours)
    assert tool.takes(folder, by)


@pytest.mark.parametrize(
    "read",
    [
        "Config().use_shard_serialization(shard_size=1000)",
        "Config().use_file_serialization(hashing_algorithm='blake2')",
        "Config().use_shard_serialization(shard_size=1000, hashing_algorithm='blake2')",
    ],
    ids=["shards", "blake2b", "blake2b shards"],
)
def test_devices_check_the_tool_s_other_ways_to_read_files(read: str, tool: Tool, tmp_path: Path) -> None:
    by, content = known("alice"), BUILDS["fp32"]
    proof = tool.sign(Package(tmp_path / "m", BUILDS).written(), by, read)
    found = judge(claim("fp32", content), proof, Terms((by.trusted,)), Moment(0))
    assert found.content.matches(io.BytesIO(content))
    assert not found.content.matches(io.BytesIO(content[:-1] + b"?"))


def test_what_is_hashed_by_blake3_is_refused_by_name(tool: Tool, tmp_path: Path) -> None:
    by = known("alice")
    read = "Config().use_file_serialization(hashing_algorithm='blake3')"
    proof = tool.sign(Package(tmp_path / "m", BUILDS).written(), by, read)
    with pytest.raises(UntrustedError, match="digests are blake3, devices check sha256 and blake2b"):
        judge(claim("int8", BUILDS["int8"]), proof, Terms((by.trusted,)), Moment(0))
