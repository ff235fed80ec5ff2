"""Private keys as people have them, and folders as they make them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edgewise.cli.packaging.builds import PackagingError
from edgewise.cli.packaging.signing import PrivateKey, read_key, sign
from edgewise_runtime.trust import SIGNATURE, oms
from tests.runtime.trust.signing import KINDS, known, signer


def nobody() -> str:
    raise AssertionError("nobody is to be asked")


def written(folder: Path, content: bytes) -> Path:
    path = folder / "key.pem"
    path.write_bytes(content)
    return path


@pytest.fixture
def key(tmp_path: Path) -> PrivateKey:
    return read_key(written(tmp_path, known("alice").private), nobody)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "package"
    made.mkdir()
    (made / "digits.onnx").write_bytes(b"model")
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_without_a_password_is_read_without_asking(kind: str, tmp_path: Path) -> None:
    pair = signer(kind)
    key = read_key(written(tmp_path, pair.private), nobody)
    assert key.fingerprint == pair.trusted.fingerprint
    assert pair.trusted.made(key.sign(b"message"), b"message")
    assert not pair.trusted.made(key.sign(b"message"), b"another")


def test_a_key_with_a_password_asks_for_it(tmp_path: Path) -> None:
    pair = signer(password=b"open sesame")
    path = written(tmp_path, pair.private)
    assert read_key(path, lambda: "open sesame").fingerprint == pair.trusted.fingerprint
    with pytest.raises(PackagingError, match="or another password"):
        read_key(path, lambda: "open barley")
    with pytest.raises(PackagingError):
        read_key(path, lambda: "")


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


UNUSABLE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "no private key in PEM"),
    "the public key": (known("alice").public, "no private key in PEM"),
    "a curve that signs no models": (pem(ec.generate_private_key(ec.SECP256K1())), "use EC P-256"),
    "a short RSA key": (pem(rsa.generate_private_key(65537, 1024)), "RSA of 2048 bits and more"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_key_that_is_of_no_use_says_so(name: str, tmp_path: Path) -> None:
    content, says = UNUSABLE[name]
    with pytest.raises(PackagingError, match=says) as caught:
        read_key(written(tmp_path, content), nobody)
    assert "key.pem" in str(caught.value)


def test_a_key_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="No such file"):
        read_key(tmp_path / "gone.pem", nobody)


def names(signature: bytes) -> list[str]:
    return [resource.name for resource in oms.read_statement(oms.read_bundle(signature)).predicate.resources]


def test_everything_is_signed_but_what_is_named_and_what_the_format_leaves_out(folder: Path, key: PrivateKey) -> None:
    for name in ("deltas/a", "extra/deltas/b", ".gitignore", ".git/config", "sub/.gitignore", SIGNATURE):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    signature = sign(folder, key, "digits", ignore=("deltas",))
    assert names(signature) == ["digits.onnx", "extra/deltas/b", "sub/.gitignore"]
    left_out = oms.read_statement(oms.read_bundle(signature)).predicate.serialization.ignore_paths
    assert left_out == [".git", ".gitattributes", ".github", ".gitignore", "deltas", SIGNATURE]


def link(folder: Path) -> None:
    (folder / "linked.onnx").symlink_to("/etc/hostname")


def link_to_a_folder(folder: Path) -> None:
    (folder / "linked").symlink_to(folder.parent)


def clear(folder: Path) -> None:
    (folder / "digits.onnx").unlink()


@pytest.mark.parametrize(
    ("change", "says"),
    [(link, "is a symbolic link"), (link_to_a_folder, "is a symbolic link"), (clear, "nothing to sign")],
)
def test_a_folder_that_cannot_be_signed_says_why(
    change: Callable[[Path], None], says: str, folder: Path, key: PrivateKey
) -> None:
    change(folder)
    with pytest.raises(PackagingError, match=says):
        sign(folder, key, "digits")


def test_a_name_that_is_no_text_says_so(folder: Path, key: PrivateKey) -> None:
    (folder / "m\udcff.onnx").write_bytes(b"x")
    with pytest.raises(PackagingError, match="no UTF-8"):
        sign(folder, key, "digits")


def test_no_message_and_no_repr_shows_the_private_key(key: PrivateKey) -> None:
    secret = known("alice").private.splitlines()[1].decode()
    assert secret not in repr(key)
    assert secret not in str(vars(key))
