"""Whose signatures are on record, of what devices say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgewise.api.rollout import Signer
from edgewise.contract.plan import DeploymentRef
from edgewise.contract.report import ModelReport, Report
from edgewise.core.signers import signers
from tests.unit.core.builders import model, node, released
from tests.unit.core.fleets import settled

B = released(model("digits"), model("faces"))
ALICE, BOB = "9f2c01ab34cd", "11aa22bb33cc"


def said(*keys: str, serving: str = B.name, release: str = B.name, state: Any = "Ready") -> Report:
    """By a device with one model for each key."""
    models = [
        ModelReport(name=name, version="2.0.0", variant="int8", state=state, signer=key)
        for name, key in zip(("digits", "faces", "mine"), keys, strict=False)
    ]
    who = DeploymentRef(namespace="edge", name="digits", uid="u")
    return Report(
        deployment=who, pod="p", node="n", profile="cpu", boot="1", sequence=1,
        serving=serving, release=release, models=models,
    )  # fmt: skip


def of(model: str, key: str) -> Signer:
    return Signer(model=model, key=key)


@pytest.mark.parametrize(
    ("reports", "before", "found"),
    [
        pytest.param([], [], [], id="nobody has spoken"),
        pytest.param([said("")], [], [], id="nobody asks for one"),
        pytest.param([said(ALICE), said(ALICE)], [], [of("digits", ALICE)], id="however many devices"),
        pytest.param([said(BOB), said(ALICE)], [], [of("digits", BOB), of("digits", ALICE)], id="two keys"),
        pytest.param([said(ALICE, BOB)], [], [of("digits", ALICE), of("faces", BOB)], id="two models"),
        pytest.param([said(ALICE, serving="a")], [], [], id="it is not what serves"),
        pytest.param([said(ALICE, serving="a", release="a")], [], [], id="it is not the target"),
        pytest.param([said(ALICE, state="Loading")], [], [], id="not yet"),
        pytest.param([], [of("digits", ALICE)], [of("digits", ALICE)], id="the operator has just started"),
        pytest.param([said(BOB)], [of("digits", ALICE)], [of("digits", BOB)], id="they say something else now"),
        pytest.param([said("")], [of("digits", ALICE)], [], id="nobody asks for one any more"),
        pytest.param([said("<b>" * 999)], [], [], id="no key at all"),
        pytest.param([said("", "", BOB)], [], [], id="a model that is not the release's"),
        pytest.param([said(ALICE)], [of("faces", BOB)], [of("digits", ALICE), of("faces", BOB)], id="of one model"),
    ],
)
def test_keys_by_model(reports: list[Report], before: list[Signer], found: list[Signer]) -> None:
    assert signers(reports, B, before) == found


def test_the_status_has_them_while_the_operator_hears_nobody_and_not_of_another_release() -> None:
    made = settled([node("pi-1")])
    for pod, received in made.reports.items():
        models = [one.model_copy(update={"signer": ALICE}) for one in received.report.models]
        made.reports[pod] = replace(received, report=received.report.model_copy(update={"models": models}))
    key = [{"model": "digits", "key": ALICE}]
    made.reconcile()
    assert made.status["release"]["signers"] == key
    made.reports.clear()
    made.reconcile()
    assert made.status["release"]["signers"] == key
    made.release(model(version="2.0.0"))
    made.reconcile()
    assert "signers" not in made.status["release"]
