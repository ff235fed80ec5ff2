"""Fetching from a real registry: by tag, by digest, by title; without a password, with one, and with a token."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edgewise.api.base import SecretKeyRef, SecretRef
from edgewise.api.edgemodel import Source
from edgewise.api.names import Reason
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.fetch import Access, Fetcher, Order
from edgewise_runtime.agent.fetch.oci import Reference, same_site
from edgewise_runtime.credentials import Credentials
from tests.cluster.pki import Authority
from tests.runtime.agent import documents
from tests.runtime.agent.documents import source
from tests.runtime.agent.fileserver import Fault, FileServer, answering, redirect, status
from tests.runtime.agent.registry import PASSWORD, USER, Registry, htpasswd, registry, token_server

CONTENT, OTHER = os.urandom(200_000), os.urandom(1000)
DIGEST = "sha256:" + "a" * 64


def asking(challenge: str) -> Fault:
    """401, to be answered so."""
    return answering(b"", 401, www_authenticate=challenge)


@pytest.fixture
async def open_registry(tmp_path: Path) -> AsyncIterator[Registry]:
    async with registry(tmp_path / "registry") as running:
        yield running


def secret(root: Path, name: str, **keys: str) -> None:
    folder = root / "secrets" / name
    folder.mkdir(parents=True)
    for key, value in keys.items():
        (folder / key).write_text(value)


def plain(uri: str, content: bytes, **more: Any) -> Source:
    """From a registry without TLS."""
    return documents.source(uri, content, plain_http=True, **more)


def digits(server: FileServer, **more: Any) -> Source:
    """digits:1, of a registry that answers what the test says."""
    return plain(server.url.replace("http://", "oci://") + "/digits:1", CONTENT, **more)


async def fetch(root: Path, what: Source) -> bytes:
    access = Access(root / "secrets", frozenset({"127.0.0.1"}))
    await Fetcher(access).fetch(Order(what, root / "model.part", 10**6))
    return (root / "model.part").read_bytes()


async def refused(root: Path, what: Source) -> Failure:
    with pytest.raises(Failure) as caught:
        await fetch(root, what)
    return caught.value


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("oci://ghcr.io/acme/digits:1.0", ("ghcr.io", "acme/digits", "1.0", "")),
        ("oci://host:5000/digits", ("host:5000", "digits", "latest", "")),
        (f"oci://host/a/b-c@{DIGEST}", ("host", "a/b-c", DIGEST, "")),
        ("oci://host/digits:2#int8/model.onnx", ("host", "digits", "2", "int8/model.onnx")),
    ],
)
def test_a_uri_names_host_repository_version_and_file(uri: str, expected: tuple[str, ...]) -> None:
    reference = Reference.parse(uri)
    assert (reference.host, reference.repository, reference.version, reference.title) == expected


@pytest.mark.parametrize(
    "uri",
    ["oci://host", "oci://host/", "oci://host/UPPER:1", "oci://host/../etc:1", "oci://u@host/a", "oci://host/a@md5:1"],
)
def test_what_is_no_reference_is_refused_with_the_way_to_write_one(uri: str) -> None:
    with pytest.raises(Failure, match=r"write oci://host") as caught:
        Reference.parse(uri)
    assert caught.value.reason == Reason.SOURCE_REFUSED


async def test_the_only_file_of_an_artifact_is_fetched_by_tag_and_by_digest(
    open_registry: Registry, tmp_path: Path
) -> None:
    digest = await open_registry.push("acme/digits", "1.0", {"model.onnx": CONTENT})
    for version in (":1.0", f"@{digest}"):
        uri = f"oci://{open_registry.host}/acme/digits{version}"
        assert await fetch(tmp_path, plain(uri, CONTENT, size=len(CONTENT))) == CONTENT
        (tmp_path / "model.part").unlink()


async def test_one_of_several_files_is_fetched_by_its_title(open_registry: Registry, tmp_path: Path) -> None:
    await open_registry.push("digits", "1", {"fp32.onnx": OTHER, "int8.onnx": CONTENT})
    uri = f"oci://{open_registry.host}/digits:1#int8.onnx"
    assert await fetch(tmp_path, plain(uri, CONTENT)) == CONTENT


@pytest.mark.parametrize("title", ["", "#bf16.onnx"])
async def test_a_file_that_is_not_named_or_not_there_is_refused_with_the_titles(
    open_registry: Registry, tmp_path: Path, title: str
) -> None:
    await open_registry.push("digits", "1", {"fp32.onnx": OTHER, "int8.onnx": CONTENT})
    failure = await refused(tmp_path, plain(f"oci://{open_registry.host}/digits:1{title}", CONTENT))
    assert failure.reason == Reason.SOURCE_REFUSED
    assert "fp32.onnx, int8.onnx" in failure.message


async def test_a_download_goes_on_where_it_stopped(open_registry: Registry, tmp_path: Path) -> None:
    await open_registry.push("digits", "1", {"model.onnx": CONTENT})
    (tmp_path / "model.part").write_bytes(CONTENT[:150_000])
    uri = f"oci://{open_registry.host}/digits:1"
    assert await fetch(tmp_path, plain(uri, CONTENT)) == CONTENT


async def test_a_tag_that_moved_is_found_out_before_a_byte_of_the_file_is_fetched(
    open_registry: Registry, tmp_path: Path
) -> None:
    await open_registry.push("digits", "1", {"model.onnx": OTHER})
    failure = await refused(tmp_path, plain(f"oci://{open_registry.host}/digits:1", CONTENT))
    assert failure.reason == Reason.HASH_MISMATCH
    assert (tmp_path / "model.part").stat().st_size == 0


async def test_an_index_is_refused_with_what_to_name_instead(open_registry: Registry, tmp_path: Path) -> None:
    digest = await open_registry.push("digits", "1", {"model.onnx": CONTENT})
    kind = "application/vnd.oci.image.index.v1+json"
    entry = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 1}
    index: dict[str, Any] = {"schemaVersion": 2, "mediaType": kind, "manifests": [entry]}
    await open_registry.push_manifest("digits", "all", index)
    failure = await refused(tmp_path, plain(f"oci://{open_registry.host}/digits:all", CONTENT))
    assert failure.reason == Reason.SOURCE_REFUSED
    assert "name one of them by its digest" in failure.message


@pytest.mark.parametrize(
    "manifest",
    [
        b"", b"[]", b"null", b'"text"', b"{}", b'{"layers": 5}', b'{"layers": "abc"}', b'{"layers": [7]}', b"\xff\xfe",
        b'{"layers": [{}]}', b'{"layers": [{"digest": 5}]}', b'{"layers": [{"digest": "sha256:../../v2/other"}]}',
        b'{"layers": [{"annotations": []}, {"annotations": "x"}]}', b'{"manifests": 1}', b"[" * 100_000,
    ],
)  # fmt: skip
async def test_a_manifest_that_is_none_is_refused(server: FileServer, tmp_path: Path, manifest: bytes) -> None:
    server.add("/v2/digits/manifests/1", manifest)
    failure = await refused(tmp_path, digits(server))
    assert failure.reason == Reason.SOURCE_REFUSED


async def test_a_token_that_would_forge_a_header_is_refused(
    server: FileServer, other: FileServer, tmp_path: Path
) -> None:
    other.add("/token", b'{"token": "x\\r\\nHost: elsewhere"}')
    server.faults["/v2/digits/manifests/1"] = [asking(f'Bearer realm="{other.url}/token"')]
    failure = await refused(tmp_path, digits(server))
    assert (failure.reason, "no header can carry" in failure.message) == (Reason.SOURCE_REFUSED, True)


async def test_an_unknown_tag_is_refused(open_registry: Registry, tmp_path: Path) -> None:
    failure = await refused(tmp_path, plain(f"oci://{open_registry.host}/digits:9", CONTENT))
    assert (failure.reason, "404" in failure.message) == (Reason.SOURCE_REFUSED, True)


async def test_a_registry_without_tls_is_not_spoken_to_unless_the_source_says_so(
    open_registry: Registry, tmp_path: Path
) -> None:
    await open_registry.push("digits", "1", {"model.onnx": CONTENT})
    failure = await refused(tmp_path, source(f"oci://{open_registry.host}/digits:1", CONTENT))
    assert failure.reason == Reason.SOURCE_UNREACHABLE


async def test_a_private_registry_takes_the_password_over_its_own_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    server = authority.issue("server", "server", hosts=("127.0.0.1",))
    tls = {"tls": {"certificate": str(server.certificate), "key": str(server.key)}}
    secret(tmp_path, "ca", **{"ca.crt": authority.ca.read_text()})
    secret(tmp_path, "good", username=USER, password=PASSWORD)
    secret(tmp_path, "bad", username=USER, password="hate")
    async with registry(tmp_path / "registry", tls, **htpasswd(tmp_path / "auth")) as private:
        private.headers["Authorization"] = Credentials(username=USER, password=PASSWORD).basic()
        await private.push("digits", "1", {"model.onnx": CONTENT})
        uri = f"oci://{private.host}/digits:1"
        ca = SecretKeyRef(name="ca", key="ca.crt")
        assert (
            await fetch(tmp_path, source(uri, CONTENT, ca_secret_ref=ca, secret_ref=SecretRef(name="good"))) == CONTENT
        )
        (tmp_path / "model.part").unlink()
        for reference in (SecretRef(name="bad"), None):
            failure = await refused(tmp_path, source(uri, CONTENT, ca_secret_ref=ca, secret_ref=reference))
            assert (failure.reason, "secretRef" in failure.message) == (Reason.SOURCE_REFUSED, True)


async def test_a_registry_that_wants_a_token_gets_one_bought_with_the_password(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    secret(tmp_path, "good", username=USER, password=PASSWORD)
    async with token_server(authority.issue("signer", "signer")) as tokens:
        settings = {"realm": tokens.url, "service": "test", "issuer": "test", "rootcertbundle": str(authority.ca)}
        async with registry(tmp_path / "registry", token=settings) as private:
            private.headers["Authorization"] = f"Bearer {tokens.token('repository:digits:pull,push')}"
            await private.push("digits", "1", {"model.onnx": CONTENT})
            what = plain(f"oci://{private.host}/digits:1", CONTENT, secret_ref=SecretRef(name="good"))
            assert await fetch(tmp_path, what) == CONTENT
            assert tokens.asked == [{"service": "test", "scope": "repository:digits:pull"}]


@pytest.mark.parametrize(
    ("realm", "host", "told"),
    [
        ("auth.docker.io", "registry-1.docker.io", True),
        ("gitlab.example.com", "registry.example.com", True),
        ("quay.io", "quay.io", True),
        ("auth.quay.io", "quay.io", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("evil.example", "registry.example.com", False),
        ("example.com.evil.net", "registry.example.com", False),
        ("notdocker.io", "registry-1.docker.io", False),
        ("com", "example.com", False),
        ("10.0.0.2", "10.0.0.1", False),
        ("1.10.0.0.1", "10.0.0.1", False),
        ("auth", "registry", False),
    ],
)
def test_a_password_is_told_to_the_registry_and_to_its_owner_s_other_servers(realm: str, host: str, told: bool) -> None:
    assert same_site(realm, host) is told


async def test_a_registry_that_sends_for_its_token_to_somebody_else_does_not_give_the_password_away(
    server: FileServer, other: FileServer, tmp_path: Path
) -> None:
    """`localhost` and 127.0.0.1 are two strangers here."""
    secret(tmp_path, "good", username=USER, password=PASSWORD)
    elsewhere = other.url.replace("127.0.0.1", "localhost")
    server.faults["/v2/digits/manifests/1"] = [asking(f'Bearer realm="{elsewhere}/token",service="x"')]
    other.faults["/token"] = [status(401)]
    what = digits(server, secret_ref=SecretRef(name="good"))
    failure = await refused(tmp_path, what)
    assert failure.reason == Reason.SOURCE_REFUSED
    assert "passwords are not sent there" in failure.message
    assert ["Authorization" in headers for headers in other.requests_for("/token")] == [False]


async def test_what_anybody_may_fetch_is_fetched_with_a_stranger_s_token(
    server: FileServer, other: FileServer, tmp_path: Path
) -> None:
    secret(tmp_path, "good", username=USER, password=PASSWORD)
    elsewhere = other.url.replace("127.0.0.1", "localhost")
    server.faults["/v2/digits/manifests/1"] = [asking(f'Bearer realm="{elsewhere}/token"')]
    layer = {"digest": f"sha256:{documents.sha256(CONTENT)}", "size": len(CONTENT)}
    server.add("/v2/digits/manifests/1", json.dumps({"layers": [layer]}).encode())
    server.add(f"/v2/digits/blobs/{layer['digest']}", CONTENT)
    other.add("/token", b'{"token": "for-anybody"}')
    what = digits(server, secret_ref=SecretRef(name="good"))
    assert await fetch(tmp_path, what) == CONTENT
    assert server.requests[-1][1]["Authorization"] == "Bearer for-anybody"
    assert all("Authorization" not in headers for headers in other.requests_for("/token"))


async def test_a_challenge_of_somebody_whom_the_registry_redirects_to_is_not_answered(
    server: FileServer, other: FileServer, tmp_path: Path
) -> None:
    secret(tmp_path, "good", username=USER, password=PASSWORD)
    server.faults["/v2/digits/manifests/1"] = [redirect(f"{other.url}/theirs")] * 2
    other.faults["/theirs"] = [asking(f'Bearer realm="{other.url}/token"'), asking("Basic")]
    what = digits(server, secret_ref=SecretRef(name="good"))
    assert (await refused(tmp_path, what)).reason == Reason.SOURCE_REFUSED
    assert [path for path, _ in other.requests] == ["/theirs"]
    assert all("Authorization" not in headers for _, headers in (*server.requests, *other.requests))
