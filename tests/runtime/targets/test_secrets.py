"""Secrets of targets: missing, broken, renewed under a running device."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.contract.plan import PlanTarget
from edgewise_runtime import logs
from edgewise_runtime.escalation.targets import NoHelpError, Targets
from edgewise_runtime.escalation.targets.papers import Desk
from tests.cloud.road import ending_tls, road
from tests.runtime.agent.waiting import PATIENCE_SECONDS
from tests.runtime.guarded import TOKEN, by_certificate, by_token, guarded
from tests.runtime.issuer import Issuer
from tests.runtime.targets.asking import ask, linear, logits, mounted, refusal, target

pytestmark = pytest.mark.usefixtures("looking_often")
CA = {"caSecretRef": {"name": "cloud-ca", "key": "ca.crt"}}
CLIENT = {"clientCertSecretRef": {"name": "client"}}
CREDENTIALS = {"credentialsSecretRef": {"name": "cloud"}}
QUESTION = linear(np.array([[0.25, -1.5]], np.float32))
ISSUER = Issuer()
PAIR = ISSUER.client("box")

MISSING: dict[str, tuple[dict[str, Any], dict[str, dict[str, bytes]], str]] = {
    "no CA": ({"tls": CA}, {}, "Secret cloud-ca is missing, or its key ca.crt holds no certificates in PEM"),
    "a CA under another key": ({"tls": CA}, {"cloud-ca": {"tls.crt": ISSUER.ca}}, "Secret cloud-ca is missing"),
    "an empty CA, which must not stand for the system's": ({"tls": CA}, {"cloud-ca": {"ca.crt": b""}}, "cloud-ca"),
    "a CA that is none": ({"tls": CA}, {"cloud-ca": {"ca.crt": b"nonsense"}}, "cloud-ca"),
    "no client certificate": ({"tls": CLIENT}, {}, "Secret client is missing, or its keys tls.crt and tls.key"),
    "a client certificate without its key": ({"tls": CLIENT}, {"client": {"tls.crt": PAIR.certificate}}, "client"),
    "a client certificate with another's key": (
        {"tls": CLIENT},
        {"client": {"tls.crt": PAIR.certificate, "tls.key": ISSUER.client("other").key}},
        "are no certificate with its own key",
    ),
    "no credentials": (CREDENTIALS, {}, "Secret cloud is missing, or has neither the key token nor username"),
    "credentials under another key": (CREDENTIALS, {"cloud": {"password": b"secret"}}, "Secret cloud is missing, or"),
    "an empty token": (CREDENTIALS, {"cloud": {"token": b" \n"}}, "Secret cloud is missing, or has neither"),
    "a token of two lines": (CREDENTIALS, {"cloud": {"token": b"to\r\nken: x"}}, "its token has characters that no"),
}


@pytest.mark.parametrize("case", MISSING)
@pytest.mark.parametrize("scheme", ["https", "grpcs"])
async def test_a_target_whose_secret_is_missing_or_broken_is_not_asked_and_says_why(
    scheme: str, case: str, targets: Targets, secrets: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fields, there, says = MISSING[case]
    for name, files in there.items():
        mounted(secrets, name, files)
    async with road(1) as way:
        error = await refusal(targets, target(f"{scheme}://localhost:{way.port}", **fields), QUESTION)
        assert way.connections == 0
    assert (error.result, error.spent) == ("unconfigured", 0)
    assert says in str(error)
    assert targets.problems == {"cloud": str(error)}
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [logs.fields(record) for record in warnings] == [{"target": "cloud", "detail": str(error)}]


async def test_once_its_secret_is_there_it_is_asked(
    targets: Targets, secrets: Path, issuer: Issuer, tmp_path: Path
) -> None:
    async with guarded(tmp_path, **by_certificate(tmp_path, issuer)) as device:
        asked = target(f"https://localhost:{device.address.rpartition(':')[2]}", tls=CA)
        assert (await refusal(targets, asked, QUESTION)).result == "unconfigured"
        mounted(secrets, "cloud-ca", {"ca.crt": issuer.ca})
        await until_well(targets)
        assert len(logits(await ask(targets, asked, QUESTION))) == 1


@pytest.mark.parametrize("protocol", ["https", "grpcs"])
async def test_a_renewed_token_is_sent_without_a_restart(
    protocol: str, targets: Targets, secrets: Path, issuer: Issuer, tmp_path: Path
) -> None:
    successor = "fedcba9876543210fedcba9876543210"
    mounted(secrets, "cloud-ca", {"ca.crt": issuer.ca})
    volume = mounted(secrets, "cloud", files := {"token": TOKEN.encode()})
    async with guarded(tmp_path, **by_token(tmp_path), **by_certificate(tmp_path, issuer)) as device:
        address = device.address if protocol == "https" else device.grpc_address
        asked = target(f"{protocol}://localhost:{address.rpartition(':')[2]}", tls=CA, **CREDENTIALS)
        assert len(logits(await ask(targets, asked, QUESTION))) == 1
        (tmp_path / "clients" / "camera").write_text(successor)
        await until(lambda: refused(targets, asked))
        files["token"] = successor.encode()
        volume.renew()
        await until(lambda: answered(targets, asked))


@pytest.mark.parametrize("protocol", ["https", "grpcs"])
async def test_a_renewed_client_certificate_is_shown_by_the_next_connection(
    protocol: str, targets: Targets, secrets: Path, issuer: Issuer, tmp_path: Path
) -> None:
    mounted(secrets, "cloud-ca", {"ca.crt": issuer.ca})
    client = issuer.client("box-7")
    volume = mounted(secrets, "client", files := {"tls.crt": client.certificate, "tls.key": client.key})
    async with guarded(tmp_path) as device:
        address = device.address if protocol == "https" else device.grpc_address
        context = ending_tls(tmp_path / "tls", issuer.server(), clients=issuer)
        async with road(int(address.rpartition(":")[2]), context) as way:
            asked = target(f"{protocol}://localhost:{way.port}", tls=CA | CLIENT)
            await ask(targets, asked, QUESTION)
            successor = issuer.client("box-7, renewed")
            files |= {"tls.crt": successor.certificate, "tls.key": successor.key}
            volume.renew()
            await until(lambda: shown(targets, asked, way.clients, "box-7, renewed"))
            assert way.clients == ["box-7", "box-7, renewed"]


async def test_a_ca_that_is_replaced_is_believed_no_more(
    targets: Targets, secrets: Path, issuer: Issuer, tmp_path: Path
) -> None:
    volume = mounted(secrets, "cloud-ca", files := {"ca.crt": issuer.ca})
    async with guarded(tmp_path, **by_certificate(tmp_path, issuer)) as device:
        asked = target(f"https://localhost:{device.address.rpartition(':')[2]}", tls=CA)
        await ask(targets, asked, QUESTION)
        files["ca.crt"] = Issuer("another").ca
        volume.renew()
        await until(lambda: refused(targets, asked))


async def test_a_token_that_is_taken_away_is_not_sent_from_memory(
    targets: Targets, secrets: Path, issuer: Issuer, tmp_path: Path
) -> None:
    mounted(secrets, "cloud-ca", {"ca.crt": issuer.ca})
    volume = mounted(secrets, "cloud", files := {"token": TOKEN.encode()})
    async with guarded(tmp_path, **by_token(tmp_path), **by_certificate(tmp_path, issuer)) as device:
        asked = target(f"https://localhost:{device.address.rpartition(':')[2]}", tls=CA, **CREDENTIALS)
        await ask(targets, asked, QUESTION)
        files.clear()
        volume.renew()
        await until(lambda: refused(targets, asked))
        assert "Secret cloud is missing" in targets.problems["cloud"]


def test_what_has_not_changed_is_not_read_again(secrets: Path) -> None:
    volume = mounted(secrets, "cloud-ca", {"ca.crt": ISSUER.ca})
    desk = Desk(target("https://localhost", tls=CA), secrets)
    assert desk.outdated
    desk.renew()
    papers = desk.papers
    assert not desk.outdated
    desk.renew()
    assert desk.papers is papers
    volume.renew()
    assert desk.outdated
    desk.renew()
    assert desk.papers is not papers


async def until(holds: Any) -> None:
    """Asks again until it is so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await holds():
            await asyncio.sleep(0.01)


async def until_well(targets: Targets) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while targets.problems:
            await asyncio.sleep(0.01)


async def answered(targets: Targets, asked: PlanTarget) -> bool:
    return not await refused(targets, asked)


async def refused(targets: Targets, asked: PlanTarget) -> bool:
    try:
        await ask(targets, asked, QUESTION)
    except NoHelpError:
        return True
    return False


async def shown(targets: Targets, asked: PlanTarget, clients: list[str], name: str) -> bool:
    await ask(targets, asked, QUESTION)
    return name in clients
