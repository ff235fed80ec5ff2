"""Whole devices that must be shown signatures: what they take, what they refuse, and that what serves goes on."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from edgewise.api.names import Reason
from edgewise.contract.plan import Plan, PlanRelease
from edgewise.contract.trust import Policies, Policy
from edgewise_runtime.agent.trusting import demands
from edgewise_runtime.settings import Settings, SettingsError
from tests.runtime.agent.attacks import ATTACKS, BARRIER, cuts, siege
from tests.runtime.agent.devices import TestDevice, device
from tests.runtime.agent.documents import plan, then
from tests.runtime.agent.fileserver import FileServer
from tests.runtime.agent.publishing import ALICE, BOB, DEMAND, Publisher, mount_keys
from tests.runtime.agent.tinymodels import ONE, TWO
from tests.runtime.agent.waiting import until
from tests.runtime.trust.signing import known

REFUSALS = {
    Reason.SIGNATURE_INVALID,
    Reason.VERSION_TOO_OLD,
    Reason.PUBLIC_KEY_MISSING,
    Reason.SIGNATURE_EXPIRED,
    Reason.HASH_MISMATCH,  # what a server sent is not what was announced
}


@pytest.fixture
def publisher(server: FileServer, tmp_path: Path) -> Publisher:
    (tmp_path / "packages").mkdir()
    return Publisher(server, tmp_path / "packages")


def strict(root: Path, policies: Policies | None = None) -> Any:
    """A device whose pod was made to demand alice's signature of digits."""
    mount_keys(root, "alice")
    return device(root, policies if policies is not None else {"digits": DEMAND})


async def serving(edge: TestDevice, publisher: Publisher) -> Plan:
    """The device serves version 1.0.0, signed by alice."""
    first = plan(1, publisher.release(ONE, "1.0.0"))
    await edge.follow(first)
    await edge.until_serving("r1.0.0")
    return first


async def refused(edge: TestDevice, first: Plan, second: PlanRelease, reason: str) -> str:
    """Follow the next plan; the message of the refusal, while the first release answers on."""
    await edge.follow(then(first, plan(2, second)))
    await edge.until_state("Failed", reason)
    assert edge.answer() == 1
    assert edge.models.release == "r1.0.0"
    return edge.report("digits").message


async def test_a_signed_version_is_fetched_judged_and_served(publisher: Publisher, tmp_path: Path) -> None:
    async with strict(tmp_path) as edge:
        first = await serving(edge, publisher)
        await edge.follow(then(first, plan(2, publisher.release(TWO, "2.0.0"))))
        await edge.until_serving("r2.0.0")
        assert edge.answer() == 2
        assert edge.report("digits").signer == known("alice").trusted.shown


async def test_what_is_refused_is_not_even_fetched(server: FileServer, publisher: Publisher, tmp_path: Path) -> None:
    async with strict(tmp_path) as edge:
        first = await serving(edge, publisher)
        second = publisher.release(TWO, "2.0.0", publisher.proof(TWO, "2.0.0", by="mallory"))
        await refused(edge, first, second, Reason.SIGNATURE_INVALID)
        assert server.requests_for("/" + second.models[0].builds[0].source.uri.rsplit("/", 1)[1]) == []


@pytest.mark.parametrize("name", ATTACKS)
async def test_whoever_may_write_plans_gains_nothing_by_it(name: str, publisher: Publisher, tmp_path: Path) -> None:
    """The ConfigMap of the plan is all that is changed here: what the pod was made with stays."""
    async with strict(tmp_path, {"digits": BARRIER}) as edge:
        mount_keys(tmp_path, "alice", "bob")
        first = await serving(edge, publisher)
        attack = ATTACKS[name](publisher)
        (model,) = attack.models
        await edge.follow(then(first, plan(2, attack)))
        expected = {("Failed", reason) for reason in REFUSALS}
        await until(lambda: edge.states.get(model.name) in expected, f"{name} is refused")
        assert edge.answer() == 1


async def test_a_pod_refuses_what_is_cut_off_anywhere_and_serves_on(tmp_path: Path) -> None:
    """The whole program, as a process of its own; the bench makes the cuts at every percent."""
    async with siege(tmp_path) as besieged:
        for what, attack in cuts((1, 99)):
            assert await besieged.refuses(attack), what
        assert await besieged.still_answers()
        assert await besieged.takes(lambda publisher: publisher.release(TWO, "2.0.0"))


async def test_a_plan_may_ask_for_more_than_the_pod(publisher: Publisher, tmp_path: Path) -> None:
    async with strict(tmp_path) as edge:
        first = await serving(edge, publisher)
        barred = publisher.release(TWO, "2.0.0", policy=Policy(public_keys=[ALICE], min_version="2.0.1"))
        message = await refused(edge, first, barred, Reason.VERSION_TOO_OLD)
        assert "verification.minVersion 2.0.1" in message


async def test_a_pod_without_demands_keeps_those_of_the_plan(publisher: Publisher, tmp_path: Path) -> None:
    mount_keys(tmp_path, "alice")
    async with device(tmp_path) as edge:
        first = await serving(edge, publisher)
        forged = publisher.release(TWO, "2.0.0", publisher.proof(TWO, "2.0.0", by="mallory"))
        await refused(edge, first, forged, Reason.SIGNATURE_INVALID)


async def test_an_expired_version_is_not_taken_and_one_that_expires_while_it_serves_goes_on(
    publisher: Publisher, tmp_path: Path
) -> None:
    async with strict(tmp_path) as edge:
        old = publisher.proof(
            ONE, "1.0.0", more={"not_after": "2001-01-01T00:00:00Z", "issued": "2000-01-01T00:00:00Z"}
        )
        await edge.follow(plan(1, publisher.release(ONE, "1.0.0", old)))
        await edge.until_state("Failed", Reason.SIGNATURE_EXPIRED)
        first = plan(2, publisher.release(ONE, "1.0.0"))
        await edge.follow(first)
        await edge.until_serving("r1.0.0")
        late = Policy(public_keys=[ALICE], not_after="2001-01-01T00:00:00Z")
        await edge.follow(plan(3, publisher.release(ONE, "1.0.0", policy=late)))
        await edge.until_state("Failed", Reason.SIGNATURE_EXPIRED)
        assert edge.answer() == 1


async def test_a_key_is_replaced_in_its_secret_while_the_device_serves(publisher: Publisher, tmp_path: Path) -> None:
    """Rotation: the file of alice holds bob's key as well; no plan and no pod knows of it."""
    async with strict(tmp_path) as edge:
        first = await serving(edge, publisher)
        (tmp_path / "secrets" / "signers" / "alice.pub").write_bytes(known("alice").public + known("bob").public)
        await edge.follow(
            then(first, plan(2, publisher.release(TWO, "2.0.0", publisher.proof(TWO, "2.0.0", by="bob"))))
        )
        await edge.until_serving("r2.0.0")


async def test_of_a_key_taken_out_of_its_secret_nothing_new_is_taken_and_what_serves_goes_on(
    publisher: Publisher, tmp_path: Path
) -> None:
    async with strict(tmp_path) as edge:
        first = await serving(edge, publisher)
        (tmp_path / "secrets" / "signers" / "alice.pub").write_bytes(known("bob").public)
        message = await refused(edge, first, publisher.release(TWO, "2.0.0"), Reason.SIGNATURE_INVALID)
        assert known("bob").trusted.shown in message


async def test_a_missing_key_is_named_and_waited_for(publisher: Publisher, tmp_path: Path) -> None:
    async with strict(tmp_path) as edge:
        mount_keys(tmp_path)
        await edge.follow(plan(1, publisher.release(ONE, "1.0.0")))
        await edge.until_state("Failed", Reason.PUBLIC_KEY_MISSING)
        assert "key alice.pub of Secret signers is missing" in edge.report("digits").message
        mount_keys(tmp_path, "alice")
        await edge.until_serving("r1.0.0")


async def test_after_a_restart_the_last_release_serves_without_a_network_or_a_date(
    server: FileServer, publisher: Publisher, tmp_path: Path
) -> None:
    async with strict(tmp_path) as edge:
        await serving(edge, publisher)
    server.files.clear()
    barred = Policy(public_keys=[ALICE], min_version="9.0.0", not_after="2001-01-01T00:00:00Z")
    async with strict(tmp_path, {"digits": barred}) as edge:
        await until(lambda: edge.models.release == "r1.0.0", "the last release serves")
        assert edge.answer() == 1


async def test_after_a_restart_nothing_serves_that_no_key_of_the_pod_has_signed(
    publisher: Publisher, tmp_path: Path
) -> None:
    """Whoever can write to the node's cache cannot put a model there."""
    async with strict(tmp_path) as edge:
        await serving(edge, publisher)
    async with device(tmp_path, {"digits": Policy(public_keys=[BOB])}) as edge:
        mount_keys(tmp_path, "bob")
        await edge.until_state("Failed", Reason.PUBLIC_KEY_MISSING)
        assert edge.models.current() == {}


def test_demands_that_cannot_be_read_end_the_pod_rather_than_count_nothing() -> None:
    settings = dataclasses.replace(Settings(), trust='{"digits": {}}')
    with pytest.raises(SettingsError, match="EDGEWISE_TRUST"):
        demands(settings)
    assert demands(Settings()) is None
    known_demands = '{"digits": {"publicKeys": [{"name": "signers", "key": "alice.pub"}]}, "text": null}'
    assert demands(dataclasses.replace(settings, trust=known_demands)) == {"digits": DEMAND, "text": None}
