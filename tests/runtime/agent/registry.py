"""A real OCI registry (Debian's docker-registry) with what a test pushes into it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import yaml
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.cluster.pki import Certificate
from tests.cluster.ports import free_port
from tests.runtime.agent.waiting import PATIENCE_SECONDS

USER, PASSWORD = "ada", "love"
_HTPASSWD = f"{USER}:$2b$05$abcdefghijklmnopqrstuuoMDvFIfZY/Iku.a1MQuTfM6cM2wfWmG\n"  # bcrypt of PASSWORD
_CONFIG = "application/vnd.oci.empty.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_TITLE = "org.opencontainers.image.title"


@dataclass
class Registry:
    """`host` as it stands in an oci:// uri. `headers` are what a push needs."""

    host: str
    url: str
    session: aiohttp.ClientSession
    headers: dict[str, str] = field(default_factory=dict)

    async def push(self, repository: str, tag: str, files: dict[str, bytes]) -> str:
        """An artifact with these files by title; returns its manifest's digest."""
        layers = [
            {**await self._blob(repository, content), "annotations": {_TITLE: title}}
            for title, content in files.items()
        ]
        config = {**await self._blob(repository, b"{}"), "mediaType": _CONFIG}
        manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": config, "layers": layers}
        return await self.push_manifest(repository, tag, manifest)

    async def push_manifest(self, repository: str, tag: str, manifest: dict[str, Any]) -> str:
        """Any manifest the registry takes."""
        body = json.dumps(manifest).encode()
        headers = {**self.headers, "Content-Type": manifest["mediaType"]}
        url = f"{self.url}/v2/{repository}/manifests/{tag}"
        async with self.session.put(url, data=body, headers=headers) as response:
            assert response.status == 201, await response.text()
            return response.headers["Docker-Content-Digest"]

    async def _blob(self, repository: str, content: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        async with self.session.post(f"{self.url}/v2/{repository}/blobs/uploads/", headers=self.headers) as response:
            assert response.status == 202, await response.text()
            where = response.headers["Location"]
        url = f"{where}{'&' if '?' in where else '?'}digest={digest}"
        async with self.session.put(url, data=content, headers=self.headers) as response:
            assert response.status == 201, await response.text()
        return {"mediaType": "application/octet-stream", "digest": digest, "size": len(content)}


@contextlib.asynccontextmanager
async def registry(folder: Path, http: dict[str, Any] | None = None, **auth: Any) -> AsyncIterator[Registry]:
    """Runs until the block ends. `http` and `auth` go into its configuration."""
    binary = shutil.which("docker-registry")
    assert binary, "docker-registry is not installed: run `make`, or apt-get install docker-registry"
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    configuration = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"127.0.0.1:{port}", **(http or {})},
        "auth": auth,
    }
    (folder / "config.yml").write_text(yaml.safe_dump(configuration))
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            binary, "serve", str(folder / "config.yml"), stdout=log, stderr=log
        )
    try:
        await _listening(port, folder / "log")
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session:
            scheme = "https" if http else "http"
            yield Registry(f"127.0.0.1:{port}", f"{scheme}://127.0.0.1:{port}", session)
    finally:
        process.kill()
        await process.wait()


def htpasswd(folder: Path) -> dict[str, Any]:
    """Configuration of a registry that knows USER."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "htpasswd").write_text(_HTPASSWD)
    return {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}


@dataclass
class TokenServer:
    """Sells tokens to USER, as a registry's `realm`."""

    signer: Certificate
    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)

    def token(self, scope: str) -> str:
        """What lets its bearer do what `scope` (repository:name:actions) says."""
        kind, name, actions = scope.split(":")
        now = int(time.time())
        claims = {
            "iss": "test", "sub": USER, "aud": "test", "exp": now + 600, "nbf": now - 10, "iat": now, "jti": "1",
            "access": [{"type": kind, "name": name, "actions": actions.split(",")}],
        }  # fmt: skip
        certificate = x509.load_pem_x509_certificate(self.signer.certificate.read_bytes())
        chain = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]
        return jwt.encode(claims, self.signer.key.read_text(), "ES256", headers={"x5c": chain})

    async def answer(self, request: web.Request) -> web.Response:
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if request.headers.get("Authorization") != expected:
            return web.Response(status=401)
        self.asked.append(dict(request.query))
        return web.json_response({"token": self.token(request.query["scope"])})


@contextlib.asynccontextmanager
async def token_server(signer: Certificate) -> AsyncIterator[TokenServer]:
    """Listens until the block ends."""
    server = TokenServer(signer)
    application = web.Application()
    application.router.add_get("/token", server.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    try:
        yield server
    finally:
        await runner.cleanup()


async def _listening(port: int, log: Path) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            assert loop.time() < deadline, f"docker-registry does not listen: {log.read_text()}"
            await asyncio.sleep(0.02)
            continue
        writer.close()
        await writer.wait_closed()
        return
