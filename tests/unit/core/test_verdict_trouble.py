"""What the verdict says of devices that fail, that are refused, and that are still on their way."""

from __future__ import annotations

import pytest

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.core import conditions
from edgewise.core.deployment.view import View
from edgewise.core.progress import NodeProgress, State
from tests.unit.core.builders import deployment
from tests.unit.core.verdicts import A, B, device, devices, fleet, said, seen


@pytest.mark.parametrize("state", ["starting", "failed"])
def test_the_only_device_is_never_one_of_a_few(state: State) -> None:
    assert said(fleet(device("pi", state, reason="LoadFailed"), stable=B)).ready == "False"


def test_one_failed_device_takes_no_ready_from_a_promoted_fleet_but_is_told() -> None:
    sick = device("pi", "failed", reason="LoadFailed", message="bad graph")
    found = said(fleet(*devices(updated=10), sick, stable=B))
    assert seen(found) == ("True", "Serving", "")
    assert found.finding.message == f"10 of 11 reachable nodes serve {B.name}; pi: bad graph"


def failed(name: str, reason: str = "HashMismatch", message: str = "expected ab, got cd") -> NodeProgress:
    return device(name, "failed", reason=reason, message=message)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        pytest.param(
            fleet(failed("a"), *devices(updated=1)),
            f"1 of 2 nodes cannot serve {B.name} (a): expected ab, got cd; they keep serving {A.name}",
            id="in a rollout",
        ),
        pytest.param(
            fleet(failed("a"), stable=None),
            f"1 of 1 node cannot serve {B.name} (a): expected ab, got cd",
            id="of a first release",
        ),
        pytest.param(
            fleet(*(failed(name) for name in "abcde"), *devices(offline=2)),
            f"5 of 5 nodes cannot serve {B.name} (a, b, c and 2 more): expected ab, got cd; they keep serving {A.name}",
            id="many",
        ),
    ],
)
def test_failed_devices_need_a_person(view: View, expected: str) -> None:
    found = said(view)
    assert found == conditions.stalled("HashMismatch", expected)


def test_refused_pods_need_a_person() -> None:
    refused = {"digits-jetson": "exceeded quota", "digits-cpu": "violates PodSecurity restricted"}
    found = said(fleet(*devices(updated=1, starting=1)), refused=refused)
    assert found == conditions.stalled(
        "PodsRefused", "the API server refuses the pods of digits-cpu: violates PodSecurity restricted"
    )


def test_a_refusal_of_long_ago_does_not_matter_when_everything_serves() -> None:
    assert said(fleet(*devices(updated=1)), refused={"digits-cpu": "exceeded quota"}).ready == "True"


def stuck(reason: str = "", message: str = "") -> NodeProgress:
    return device("z", "working", reason=reason, message=message)


PAUSED = deployment(rollout={"paused": True})


@pytest.mark.parametrize(
    ("view", "of", "reason", "message"),
    [
        pytest.param(
            fleet(*devices(updated=1, working=1)), None, "RollingOut", f"1 of 2 reachable nodes serve {B.name}",
            id="on its way",
        ),
        pytest.param(
            fleet(*devices(waiting=1), stable=None), None, "Starting", f"0 of 1 reachable nodes serve {B.name}",
            id="for the first time",
        ),
        pytest.param(
            fleet(*devices(offline=1), stable=None), None, "Starting", "1 node offline; waiting for one",
            id="nobody there",
        ),
        pytest.param(
            fleet(*devices(updated=1, working=1)), PAUSED, "Paused",
            f"1 of 2 reachable nodes serve {B.name}; spec.rollout.paused holds the others", id="paused",
        ),
        pytest.param(
            fleet(*devices(waiting=1), stable=None), PAUSED, "Starting", f"0 of 1 reachable nodes serve {B.name}",
            id="a first release is not paused",
        ),
        pytest.param(
            fleet(device("a", "starting", message="Pulling"), stuck("SourceUnreachable", "no route")), None,
            "SourceUnreachable", f"0 of 2 reachable nodes serve {B.name}; z: no route",
            id="a device with a reason speaks for all",
        ),
        pytest.param(
            fleet(device("a", "starting", message="Pulling"), stuck()), None, "RollingOut",
            f"0 of 2 reachable nodes serve {B.name}; a: Pulling", id="else one with a message",
        ),
        pytest.param(
            fleet(stuck("DiskFull")), None, "DiskFull", f"0 of 1 reachable nodes serve {B.name}; z: DiskFull",
            id="a reason without a message",
        ),
    ],
)  # fmt: skip
def test_what_is_still_going_says_how_far(view: View, of: EdgeDeployment | None, reason: str, message: str) -> None:
    assert said(view, of) == conditions.working(reason, message)
