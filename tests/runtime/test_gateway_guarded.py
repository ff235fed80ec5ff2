"""A gateway between two doors: its own, which is that of its devices, and that of another EdgeDeployment behind it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewise.contract.plan import PlanTarget
from edgewise_runtime.gateway import scouting
from tests.runtime.agent.waiting import until
from tests.runtime.gateways import document, standing
from tests.runtime.guarded import TOKEN, by_certificate, by_token, guarded
from tests.runtime.issuer import Issuer
from tests.runtime.serving import numbers

ONES = np.ones((2, 2), np.float32)
ASKED = {"inputs": [numbers("x", ONES)]}


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scouting, "LOOK_SECONDS", 0.05)


def write(folder: Path, **files: bytes) -> None:
    """A mounted Secret; `ca_crt` is ca.crt."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_bytes(content)


async def test_it_shows_a_guarded_deployment_what_that_demands(tmp_path: Path, issuer: Issuer) -> None:
    peers, secrets = tmp_path / "peer", tmp_path / "secrets"
    peers.mkdir()
    doors = {**by_token(peers), **by_certificate(peers, issuer, clients=issuer)}
    async with guarded(peers, **doors) as peer:
        write(secrets / "ca", ca_crt=issuer.ca)
        write(secrets / "token", token=TOKEN.encode())
        issuer.client("digits").write(secrets / "certificate")
        tls = {"caSecretRef": {"name": "ca", "key": "ca.crt"}, "clientCertSecretRef": {"name": "certificate"}}
        port = peer.server.http_port
        entry = {"url": f"https://127.0.0.1:{port}", "tls": tls, "credentialsSecretRef": {"name": "token"}}
        target = PlanTarget.model_validate({"name": "peer", "model": "linear", **entry})
        async with standing(tmp_path, document(target), secrets_folder=str(secrets)) as made:
            await made.until_ready()
            status, body = await made.infer("digits", ASKED)
            assert (status, body["parameters"]["edgewise_source"]) == (200, "target:peer")
            assert body["outputs"][0]["data"] == ONES.ravel().tolist()


async def test_without_its_secrets_it_is_not_ready_and_says_which_is_missing(tmp_path: Path) -> None:
    entry = {"url": "https://127.0.0.1:1", "credentialsSecretRef": {"name": "token"}}
    target = PlanTarget.model_validate({"name": "peer", **entry})
    async with standing(tmp_path, document(target), secrets_folder=str(tmp_path / "none")) as made:
        await until(lambda: made.server.targets.problems, "it has looked for them")
        assert "Secret token is missing" in made.server.targets.problems["peer"]
        assert not made.models.ready


async def test_its_own_door_is_that_of_the_devices(tmp_path: Path) -> None:
    peers = tmp_path / "peer"
    peers.mkdir()
    async with guarded(peers) as peer:
        target = PlanTarget(name="peer", url=f"http://{peer.address}", model="linear")
        async with standing(tmp_path, document(target), **by_token(tmp_path)) as made:
            await made.until_ready()
            assert (await made.infer("digits", ASKED))[0] == 401
            bearing = {"Authorization": f"Bearer {TOKEN}"}
            async with made.http.post("/v2/models/digits/infer", json=ASKED, headers=bearing) as answer:
                assert answer.status == 200
