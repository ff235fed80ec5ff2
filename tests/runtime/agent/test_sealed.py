"""Encrypted releases on a device: served from memory, refused for what they are not, and nowhere to be found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edgewise.api.names import Reason
from edgewise.contract.plan import Build, Plan, PlanRelease, ProfilePlan, ReleaseModel
from edgewise_runtime.agent import failure as failures
from tests.runtime.agent.devices import device, mount, one_model, serving_one
from tests.runtime.agent.documents import PROFILE, plan, source, then
from tests.runtime.agent.fileserver import FileServer
from tests.runtime.agent.pods import pod
from tests.runtime.agent.tinymodels import ONE, TWO
from tests.runtime.agent.waiting import until
from tests.runtime.enginekinds import KINDS, Kind
from tests.runtime.sealed.files import ENCRYPTION, OTHER_SECRET, SECRET, WHO, mounted, sealed


def encrypted(server: FileServer, name: str, stored: bytes, version: str = "1.0.0", kind: Kind | None = None) -> Plan:
    """A plan whose only release is `name`: one model, whose file is `stored`."""
    build = Build(
        variant="fp32",
        format=kind.format if kind else "ONNX",
        precision="FP32",
        source=source(server.add(f"/{name}", stored), stored),
        memory=2**20,
    )
    model = ReleaseModel(name="digits", version=version, task="Other", encryption=ENCRYPTION, builds=[build])
    runtime = ProfilePlan(
        engine=kind.engine if kind else "ONNXRuntime",
        variants={name: {"digits": "fp32"}},
    )
    return plan(1, PlanRelease(name=name, models=[model]), profiles={PROFILE: runtime})


@pytest.fixture
def trying_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "backoff", lambda *_: 0.05)


async def test_an_encrypted_release_follows_a_plain_one(server: FileServer, tmp_path: Path) -> None:
    mounted(tmp_path / "secrets")
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        await edge.follow(then(first, encrypted(server, "r2", sealed(TWO))))
        await edge.until_serving("r2")
        assert edge.answer() == 2


@pytest.mark.usefixtures("trying_often")
@pytest.mark.parametrize("held", [(), (OTHER_SECRET,)], ids=["no key", "another key"])
async def test_without_its_key_the_old_version_serves_until_the_key_is_there(
    held: tuple[bytes, ...], server: FileServer, tmp_path: Path
) -> None:
    for secret in held:
        mounted(tmp_path / "secrets", secret)
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        await edge.follow(then(first, encrypted(server, "r2", sealed(TWO))))
        await edge.until_state("Loading", Reason.KEY_MISSING)
        assert edge.report("digits").message.startswith("Secret model-key, key aes: ")
        assert edge.answer() == 1
        mounted(tmp_path / "secrets", SECRET, *held)
        await edge.until_serving("r2")
        assert edge.answer() == 2
        assert len(server.requests_for("/r2")) == 1, "waiting for a key costs no download"


REFUSED = {
    "of another model": lambda: sealed(TWO, replace(WHO, model="letters")),
    "of another variant": lambda: sealed(TWO, replace(WHO, file="int8")),
    "of an older version": lambda: sealed(TWO, replace(WHO, version="0.9.0")),
    "cut off": lambda: sealed(TWO)[:-1],
    "not encrypted": lambda: TWO,
}


@pytest.mark.parametrize("stored", REFUSED.values(), ids=REFUSED)
async def test_a_file_that_is_not_what_it_should_be_leaves_the_old_version_serving(
    stored: Any, server: FileServer, tmp_path: Path
) -> None:
    mounted(tmp_path / "secrets")
    async with device(tmp_path) as edge:
        first = await serving_one(edge, server)
        await edge.follow(then(first, encrypted(server, "r2", stored())))
        await edge.until_state("Failed", Reason.DECRYPTION_FAILED)
        assert edge.answer() == 1


async def test_a_new_version_with_the_file_of_the_old_one_is_refused_although_that_file_serves(
    server: FileServer, tmp_path: Path
) -> None:
    mounted(tmp_path / "secrets")
    async with device(tmp_path) as edge:
        first = encrypted(server, "r1", sealed(ONE))
        await edge.follow(first)
        await edge.until_serving("r1")
        await edge.follow(then(first, encrypted(server, "r2", sealed(ONE), version="2.0.0")))
        await edge.until_state("Failed", Reason.DECRYPTION_FAILED)
        assert edge.models.release == "r1"


async def test_an_encrypted_file_that_the_plan_takes_for_a_plain_one_is_refused(
    server: FileServer, tmp_path: Path
) -> None:
    async with device(tmp_path) as edge:
        await edge.follow(one_model(server, "r1", sealed(ONE)))
        await edge.until_state("Failed", Reason.DECRYPTION_FAILED)


ENGINES = {name: KINDS[name] for name in ("ONNX Runtime", "LiteRT", "OpenVINO with its IR")}


@pytest.mark.parametrize("kind", ENGINES.values(), ids=ENGINES)
async def test_a_pod_serves_an_encrypted_model_that_no_file_shows(
    kind: Kind, server: FileServer, tmp_path: Path
) -> None:
    """The program as it runs in a pod; whatever it writes, holds open or has mapped is searched."""
    (tmp_path / "made").mkdir()
    content = kind.sums(tmp_path / "made").read_bytes()
    root = tmp_path / "pod"
    (root / "tmp").mkdir(parents=True)
    mounted(root / "secrets")
    mount(root / "plan", encrypted(server, "r1", sealed(content), kind=kind))
    marker = content[len(content) // 2 :][:64]
    async with aiohttp.ClientSession() as http, pod(root, TMPDIR=str(root / "tmp"), HOME=str(root)) as edge:
        await until(lambda: edge.served("r1"), "the pod serves")
        assert await edge.ask(http) == (200, 2.0)
        shown = [path for path in (*_written(root), *_open(edge.process.pid)) if _holds(path, marker)]
        assert await edge.stop() == 0
    assert shown == []
    async with aiohttp.ClientSession() as http, pod(root, TMPDIR=str(root / "tmp"), HOME=str(root)) as edge:
        await until(lambda: edge.served("r1"), "it serves again after a restart, without the server")
        assert await edge.ask(http) == (200, 2.0)
    assert [path for path in _written(root) if _holds(path, marker) or _holds(path, SECRET)] == [
        root / "secrets" / "model-key" / "aes"
    ]


def _written(root: Path) -> Iterator[Path]:
    """All files below `root`, and those in shared memory."""
    for folder in (root, Path("/dev/shm")):
        yield from (path for path in folder.rglob("*") if path.is_file())


def _open(pid: int) -> Iterator[Path]:
    """Files that the process has open or mapped, but for what lies in anonymous memory. Only root may look."""
    if os.geteuid():
        with pytest.raises(PermissionError):
            list(Path(f"/proc/{pid}/fd").iterdir())
        return
    mapped = {line.split(maxsplit=5)[5].strip() for line in _maps(pid) if line.count(" /")}
    opened = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    for name in mapped | opened:
        path = Path(name)
        if not name.startswith("/memfd:") and path.is_file():
            yield path


def _maps(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/maps").read_text().splitlines()


def _holds(path: Path, marker: bytes) -> bool:
    try:
        return marker in path.read_bytes()
    except OSError:  # gone meanwhile, or nobody may read it
        return False
