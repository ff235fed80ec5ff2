"""What simulated devices tell and do, version by version."""

from __future__ import annotations

import pytest

from edgewise.contract.plan import DeploymentRef
from edgewise.contract.report import Counters, ModelReport, Report
from edgewise_runtime.agent.failure import Failure
from tests.scale import characters


def report(version: str, serving: str = "r") -> Report:
    return Report(
        deployment=DeploymentRef(namespace="edge", name="digits", uid="1"),
        pod="pod",
        node="sim-0",
        profile="generic-arm64",
        boot="1",
        sequence=1,
        serving=serving,
        release="r",
        models=[ModelReport(name="digits", version=version, variant="int8", state="Ready")],
        counters={"r": Counters(requests=3)},
    )


def test_one_that_cannot_load_a_version_loads_all_others() -> None:
    broken = characters.cannot_load("2.0.0")
    assert broken.load("1.0.0") == characters.QUICK
    with pytest.raises(Failure, match="no ONNX model"):
        broken.load("2.0.0")


def test_one_that_errs_errs_with_one_version_only() -> None:
    erring = characters.errs("2.0.0", share=0.5)
    assert (erring.failing("1.0.0"), erring.failing("2.0.0")) == (0.0, 0.5)


def test_one_that_slows_down_does_so_with_one_version_only() -> None:
    slow = characters.slows_down("2.0.0", factor=4.0)
    assert slow.latency("2.0.0") == 4 * slow.latency("1.0.0")


def test_one_that_falls_silent_speaks_until_it_serves_the_version() -> None:
    falling = characters.falls_silent("2.0.0")
    assert falling.say(report("1.0.0")) == report("1.0.0")
    assert falling.say(report("2.0.0", serving="before")) is not None
    assert falling.say(report("2.0.0")) is None


def test_one_that_lies_does_so_about_one_version_only() -> None:
    lying = characters.lies("2.0.0")
    assert lying.say(report("1.0.0")) == report("1.0.0")
    said = lying.say(report("2.0.0"))
    assert said is not None
    assert said.counters["r"].failures == 10**9
