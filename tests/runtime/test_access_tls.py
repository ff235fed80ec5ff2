"""TLS of the door, with real handshakes, and certificates renewed under them."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from edgewise_runtime.access import Access, Demands, Peer
from tests.runtime.issuer import Issuer, Pair

pytestmark = [pytest.mark.loops, pytest.mark.usefixtures("looking_often")]
Ask = Callable[[Pair | None], Awaitable[str]]
"""Connects, with this certificate; what the server makes of the client: its name, or `refused`."""


@pytest.fixture
def secret(tmp_path: Path, issuer: Issuer) -> Path:
    """A mounted Secret of type kubernetes.io/tls."""
    return issuer.server().write(tmp_path / "digits-tls")


@pytest.fixture
def authority(tmp_path: Path, issuer: Issuer) -> Path:
    """A mounted CA of clients."""
    folder = tmp_path / "cameras-ca"
    folder.mkdir()
    (folder / "ca.crt").write_bytes(issuer.ca)
    return folder / "ca.crt"


@contextlib.asynccontextmanager
async def tls_server(access: Access, trusted: Issuer, tmp_path: Path) -> AsyncIterator[Ask]:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"<{Peer.of_transport(writer.transport).certificate}>".encode())
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=access.tls())
    port = server.sockets[0].getsockname()[1]

    async def ask(client: Pair | None) -> str:
        context = ssl.create_default_context(cadata=trusted.ca.decode())
        if client is not None:
            folder = client.write(tmp_path / "client")
            context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        writer = None
        try:
            reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
            return (await reader.read()).decode() or "refused"  # TLS 1.3: refused after the client's part is done
        except (ssl.SSLError, ConnectionError):
            return "refused"
        finally:
            if writer is not None:
                writer.close()

    try:
        yield ask
    finally:
        server.close()
        await server.wait_closed()


async def test_without_a_ca_anybody_may_come(secret: Path, issuer: Issuer, tmp_path: Path) -> None:
    async with tls_server(Access(Demands(certificate=secret)), issuer, tmp_path) as ask:
        assert await ask(None) == "<>"
        assert await ask(issuer.client("camera")) == "<>"  # nobody has verified it


async def test_with_a_ca_only_those_it_signed_and_they_are_known_by_name(
    secret: Path, authority: Path, issuer: Issuer, tmp_path: Path
) -> None:
    async with tls_server(Access(Demands(certificate=secret, client_ca=authority)), issuer, tmp_path) as ask:
        assert await ask(issuer.client("camera-7")) == "<camera-7>"
        assert await ask(issuer.client(uri="spiffe://fleet/camera")) == "<spiffe://fleet/camera>"
        assert await ask(None) == "refused"
        assert await ask(Issuer("fleet CA").client("camera-7")) == "refused"  # another authority of that name
        assert await ask(issuer.client("camera-7", valid=timedelta(hours=-1))) == "refused"  # expired
        assert await ask(issuer.server("camera-7")) == "refused"  # signed for servers


async def test_a_renewed_certificate_is_shown_to_new_connections(secret: Path, issuer: Issuer, tmp_path: Path) -> None:
    access, successor = Access(Demands(certificate=secret)), Issuer("next CA")
    access.start()
    async with tls_server(access, issuer, tmp_path) as ask, tls_server(access, successor, tmp_path) as ask_successor:
        assert (await ask(None), await ask_successor(None)) == ("<>", "refused")
        successor.server().write(secret)
        await until(ask_successor, None, "<>")
        assert await ask(None) == "refused"
    await access.close()


async def test_a_ca_that_is_replaced_shuts_its_clients_out(
    secret: Path, authority: Path, issuer: Issuer, tmp_path: Path
) -> None:
    access, successor = Access(Demands(certificate=secret, client_ca=authority)), Issuer("next CA")
    access.start()
    async with tls_server(access, issuer, tmp_path) as ask:
        authority.write_bytes(issuer.ca + successor.ca)
        await until(ask, successor.client("camera"), "<camera>")
        assert await ask(issuer.client("camera")) == "<camera>"
        authority.write_bytes(successor.ca)
        await until(ask, issuer.client("camera"), "refused")
        assert await ask(successor.client("camera")) == "<camera>"
    await access.close()


async def test_until_there_is_a_certificate_no_connection_comes_about(
    secret: Path, issuer: Issuer, tmp_path: Path
) -> None:
    pair = Pair((secret / "tls.crt").read_bytes(), (secret / "tls.key").read_bytes())
    (secret / "tls.crt").unlink()
    access = Access(Demands(certificate=secret))
    access.start()
    async with tls_server(access, issuer, tmp_path) as ask:
        assert await ask(None) == "refused"
        assert "digits-tls" in access.problem
        pair.write(secret)
        await until(ask, None, "<>")
    await access.close()


async def test_a_certificate_that_cannot_be_used_leaves_the_one_before_in_force(
    secret: Path, issuer: Issuer, tmp_path: Path
) -> None:
    access = Access(Demands(certificate=secret))
    access.start()
    (secret / "tls.key").write_bytes(issuer.server().key)  # of another certificate
    async with tls_server(access, issuer, tmp_path) as ask:
        await noticed(access)
        assert access.ready
        assert access.problem.endswith("; the one before is used on")
        assert await ask(None) == "<>"
    await access.close()


async def test_but_not_when_the_cas_were_changed_with_it(secret: Path, authority: Path) -> None:
    access = Access(Demands(certificate=secret, client_ca=authority))
    access.start()
    authority.write_bytes(Issuer("next CA").ca)
    (secret / "tls.key").write_text("nonsense")
    await noticed(access)
    assert not access.ready
    await access.close()


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", None])
async def test_a_ca_that_is_taken_away_admits_nobody_any_more(
    secret: Path, authority: Path, content: bytes | None
) -> None:
    access = Access(Demands(certificate=secret, client_ca=authority))
    assert access.ready
    access.start()
    if content is None:
        authority.unlink()
    else:
        authority.write_bytes(content)
    await noticed(access)
    assert not access.ready
    assert "cameras-ca" in access.problem
    await access.close()


def test_a_key_that_asks_for_a_password_is_refused_rather_than_asked_about(secret: Path) -> None:
    (secret / "tls.key").write_text(
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
        "DEK-Info: AES-128-CBC,0123456789ABCDEF0123456789ABCDEF\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"
    )
    assert "tls.key" in Access(Demands(certificate=secret)).problem


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_versions_of_tls_that_are_safe_are_spoken_and_http_is_agreed_on(
    version: ssl.TLSVersion, secret: Path, issuer: Issuer
) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=tls(secret))
    context = ssl.create_default_context(cadata=issuer.ca.decode())
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    port = server.sockets[0].getsockname()[1]
    _, writer = await asyncio.open_connection("localhost", port, ssl=context)
    tunnel: ssl.SSLObject = writer.get_extra_info("ssl_object")
    assert tunnel.selected_alpn_protocol() == "http/1.1"
    assert "GCM" in tunnel.cipher()[0] or "CHACHA20" in tunnel.cipher()[0]  # type: ignore[index]
    writer.close()
    server.close()


def tls(secret: Path) -> ssl.SSLContext | None:
    return Access(Demands(certificate=secret)).tls()


async def until(ask: Ask, client: Pair | None, answer: str) -> None:
    """Asks until it is so; fails the test after 30 s."""
    async with asyncio.timeout(30):
        while await ask(client) != answer:
            await asyncio.sleep(0.01)


async def noticed(access: Access) -> None:
    async with asyncio.timeout(30):
        while not access.problem:
            await asyncio.sleep(0.005)
