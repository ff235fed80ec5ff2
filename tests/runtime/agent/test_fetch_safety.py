"""What a plan cannot make a device do: read its own services, follow a redirect there, give its credentials away."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from yarl import URL

from edgewise.api.base import SecretKeyRef, SecretRef
from edgewise.api.names import Reason
from edgewise_runtime.agent.fetch import Access
from edgewise_runtime.agent.fetch.web import Request, authorized
from edgewise_runtime.credentials import Credentials
from tests.cluster.pki import Authority
from tests.runtime.agent.documents import source
from tests.runtime.agent.fetching import CONTENT, failure_of, fetch
from tests.runtime.agent.fileserver import FileServer, file_server, redirect


@pytest.mark.parametrize(
    "target",
    ["http://169.254.169.254/latest/meta-data", "http://[::1]:1/m", "http://127.0.0.2:1/m", "http://0.0.0.0/m"],
)
async def test_a_redirect_to_the_device_or_its_link_is_refused(
    server: FileServer, access: Access, part: Path, target: str
) -> None:
    server.faults["/m.onnx"] = [redirect(target)]
    failure = await failure_of(access, source(server.url + "/m.onnx", CONTENT), part)
    assert failure.reason == Reason.SOURCE_REFUSED
    assert "not fetched from there" in failure.message


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_loopback_is_refused_by_name_and_by_number_unless_allowed(
    server: FileServer, part: Path, tmp_path: Path, host: str
) -> None:
    uri = server.add("/m.onnx", CONTENT).replace("127.0.0.1", host)
    failure = await failure_of(Access(tmp_path), source(uri, CONTENT), part)
    assert failure.reason == Reason.SOURCE_REFUSED
    assert server.requests == []


async def test_a_redirect_to_another_allowed_server_is_followed(
    server: FileServer, other: FileServer, access: Access, part: Path
) -> None:
    server.faults["/m.onnx"] = [redirect(other.add("/copy", CONTENT))]
    assert await fetch(access, source(server.url + "/m.onnx", CONTENT), part) == CONTENT


async def test_redirects_that_never_end_are_refused(server: FileServer, access: Access, part: Path) -> None:
    server.faults["/m.onnx"] = [redirect("/m.onnx")] * 20
    failure = await failure_of(access, source(server.url + "/m.onnx", CONTENT), part)
    assert failure.reason == Reason.SOURCE_REFUSED
    assert len(server.requests) == 11


def write_secret(access: Access, name: str, **keys: str) -> None:
    folder = access.secrets / name
    folder.mkdir(parents=True)
    for key, value in keys.items():
        (folder / key).write_text(value)


@pytest.mark.parametrize(
    ("keys", "header"),
    [({"token": "s3cret\n"}, "Bearer s3cret"), ({"username": "ada", "password": "love"}, "Basic YWRhOmxvdmU=")],
    ids=["token", "password"],
)
async def test_credentials_come_from_the_mounted_secret(
    server: FileServer, access: Access, part: Path, keys: dict[str, str], header: str
) -> None:
    write_secret(access, "store", **keys)
    uri = server.add("/m.onnx", CONTENT)
    server.required["/m.onnx"] = header
    assert await fetch(access, source(uri, CONTENT, secret_ref=SecretRef(name="store")), part) == CONTENT


async def test_credentials_are_not_sent_along_with_a_redirect_to_another_server(
    server: FileServer, other: FileServer, access: Access, part: Path
) -> None:
    write_secret(access, "store", token="s3cret")
    server.faults["/m.onnx"] = [redirect(other.add("/copy", CONTENT))]
    await fetch(access, source(server.url + "/m.onnx", CONTENT, secret_ref=SecretRef(name="store")), part)
    assert server.requests_for("/m.onnx")[0]["Authorization"] == "Bearer s3cret"
    assert "Authorization" not in other.requests_for("/copy")[0]


async def test_a_secret_that_is_not_there_is_said_by_name(server: FileServer, access: Access, part: Path) -> None:
    failure = await failure_of(access, source(server.url + "/m", CONTENT, secret_ref=SecretRef(name="store")), part)
    assert failure.reason == Reason.SOURCE_REFUSED
    assert "Secret store is missing" in failure.message


async def test_messages_do_not_carry_what_a_url_keeps_secret(server: FileServer, access: Access, part: Path) -> None:
    uri = server.url.replace("http://", "http://ada:love@") + "/m.onnx?signature=abc"
    failure = await failure_of(access, source(uri, CONTENT), part)
    assert "404" in failure.message
    assert "love" not in failure.message
    assert "abc" not in failure.message


async def test_a_private_server_is_trusted_with_its_own_ca_only(access: Access, part: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    certificate = authority.issue("server", "server", hosts=("127.0.0.1",))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate.certificate, certificate.key)
    write_secret(access, "ca", **{"ca.crt": authority.ca.read_text()})
    async with file_server(tls) as server:
        uri = server.add("/m.onnx", CONTENT)
        failure = await failure_of(access, source(uri, CONTENT), part)
        assert failure.reason == Reason.SOURCE_UNREACHABLE
        assert "caSecretRef" in failure.message
        trusted = source(uri, CONTENT, ca_secret_ref=SecretKeyRef(name="ca", key="ca.crt"))
        assert await fetch(access, trusted, part) == CONTENT


async def test_a_token_that_no_header_can_carry_is_told_by_name(server: FileServer, access: Access, part: Path) -> None:
    write_secret(access, "store", token="two\nlines")
    failure = await failure_of(access, source(server.url + "/m", CONTENT, secret_ref=SecretRef(name="store")), part)
    assert (failure.reason, "Secret store" in failure.message) == (Reason.SOURCE_REFUSED, True)
    assert server.requests == []


def test_credentials_are_in_no_repr() -> None:
    known = Credentials("a-token", "me", "a-password")
    said = f"{known!r} {Request(URL('https://files/1'), private=authorized(known.header()))!r}"
    assert not any(secret in said for secret in ("a-token", "a-password", known.basic()))
