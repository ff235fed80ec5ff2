"""The gateway in whole worlds: it takes the Service over, gives it back, and says so."""

from __future__ import annotations

from datetime import datetime

from edgewise.api.names import GATEWAY_ROLE, GAVE_BACK_ANNOTATION, RUNTIME_ROLE, Reason
from tests.unit.core.relieving import NAMES, WORKLOAD, after, fleet, leads_to, outage


def test_it_stands_by_from_the_beginning() -> None:
    made = fleet()
    assert made.status["servedBy"] == "Devices"
    assert made.status["gateway"] == {"workload": "digits-gateway", "ready": 1, "reason": ""}
    assert made.plan is not None
    assert made.plan.escalation is not None
    assert made.plan.escalation.gateway is not None
    assert made.plan.escalation.gateway.timeout_seconds == 10


def test_it_is_no_device() -> None:
    made = fleet()
    assert made.status["nodes"]["matched"] == made.status["nodes"]["ready"] == 5
    assert [entry["name"] for entry in made.status["profiles"]] == ["cpu"]


def test_no_device_is_ready_for_half_a_minute_and_it_takes_over_and_says_so() -> None:
    made = fleet()
    made.cut(*NAMES)
    made.live()
    first = made.reconcile()
    assert (leads_to(made), first.requeue_after) == (RUNTIME_ROLE, 5.0)
    assert made.status["gateway"]["turningSince"] == "2023-11-14T22:13:20Z"
    assert after(29, made).events == ()
    taken = after(1, made)
    assert [(event.type, event.reason) for event in taken.events] == [("Warning", Reason.GATEWAY_TOOK_OVER)]
    assert (leads_to(made), made.status["servedBy"]) == (GATEWAY_ROLE, "Gateway")
    assert made.status["gateway"] == {
        "workload": "digits-gateway", "ready": 1, "reason": "", "tookOverAt": "2023-11-14T22:13:50Z",
    }  # fmt: skip
    said = made.status["conditions"][0]["message"]
    assert said.endswith("; the gateway answers for the devices since 2023-11-14T22:13:50Z")


def test_clients_on_a_device_are_left_to_it() -> None:
    assert leads_to(outage(fleet()), "digits-local") == RUNTIME_ROLE


def test_one_device_left_is_enough() -> None:
    made = fleet()
    made.cut(*NAMES[1:])
    made.live()
    after(0, made)
    after(3600, made)
    assert (leads_to(made), made.status["servedBy"]) == (RUNTIME_ROLE, "Devices")
    assert "turningSince" not in made.status["gateway"]


def test_a_device_must_stay_for_a_minute_before_it_has_the_service_back() -> None:
    made = outage(fleet())
    made.heal("pi-1")
    made.live()
    after(0, made)
    assert after(59, made).events == ()
    assert leads_to(made) == GATEWAY_ROLE
    given_back = after(1, made)
    assert [(event.type, event.reason) for event in given_back.events] == [("Normal", Reason.GATEWAY_GAVE_BACK)]
    assert (leads_to(made), made.status["servedBy"]) == (RUNTIME_ROLE, "Devices")


def test_a_device_that_is_gone_again_begins_anew() -> None:
    made = outage(fleet())
    for _ in range(3):
        made.heal("pi-1")
        made.live()
        after(50, made)
        made.cut("pi-1")
        made.live()
        after(5, made)
    assert leads_to(made) == GATEWAY_ROLE


def test_given_back_its_pods_are_replaced_once_so_that_their_connections_end() -> None:
    made = outage(fleet())
    template = made.children[WORKLOAD]["spec"]["template"]
    assert "annotations" not in template["metadata"], "nothing is replaced in the middle of an outage"
    made.heal(*NAMES)
    made.live()
    after(0, made)
    after(60, made)
    annotations = made.children[WORKLOAD]["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {GAVE_BACK_ANNOTATION: made.status["gateway"]["gaveBackAt"]}
    before = made.children[WORKLOAD]
    after(3600, made)
    assert made.children[WORKLOAD] == before
    outage(made)
    assert made.children[WORKLOAD] == before


def test_an_operator_that_is_restarted_neither_forgets_nor_hurries() -> None:
    """It knows nothing but the cluster; so does every look here. What it wrote last may be lost with it."""
    made = outage(fleet())
    old = made.deployment.status.model_copy(update={"served_by": "Devices"})
    stale = old.gateway.model_copy(update={"turning_since": "2023-11-14T22:13:20Z"}) if old.gateway else None
    made.deployment = made.deployment.model_copy(update={"status": old.model_copy(update={"gateway": stale})})
    made.heal(*NAMES)
    made.live()
    taken = after(0, made)
    assert [event.reason for event in taken.events][-1] == Reason.GATEWAY_TOOK_OVER, "it was not told yet"
    after(59, made)
    assert leads_to(made) == GATEWAY_ROLE
    after(2, made)
    assert leads_to(made) == RUNTIME_ROLE


def test_while_no_target_is_ready_it_does_not_take_over_and_says_why() -> None:
    made = fleet()
    made.helping = False
    made.cut(*NAMES)
    made.live()
    after(0, made)
    after(40, made)
    assert leads_to(made) == RUNTIME_ROLE
    assert (
        "no device is ready, and the gateway cannot answer: no pod of it is ready"
        in made.status["conditions"][0]["message"]
    )
    made.helping = True
    after(0, made)
    assert leads_to(made) == GATEWAY_ROLE


def test_a_gateway_that_cannot_answer_gives_back_at_once() -> None:
    made = outage(fleet())
    made.helping = False
    made.heal("pi-1")
    made.live()
    after(0, made)
    assert leads_to(made) == RUNTIME_ROLE


def test_a_blocked_deployment_is_relieved_too() -> None:
    made = fleet()
    made.edit(release="no-such-release")
    made.settle()
    assert made.ready == ("False", Reason.RELEASE_NOT_FOUND)
    outage(made)
    assert made.ready == ("False", Reason.RELEASE_NOT_FOUND)
    assert made.status["servedBy"] == "Gateway"
    made.heal(*NAMES)
    made.live()
    after(0, made)
    after(60, made)
    assert (leads_to(made), made.status["servedBy"]) == (RUNTIME_ROLE, "Devices")


def test_a_deployment_whose_nodes_were_all_taken_away_is_relieved_too() -> None:
    made = fleet()
    for name in NAMES:
        del made.nodes[name]
    made.pods.clear()
    after(0, made)
    after(30, made)
    assert made.ready == ("False", Reason.NO_MATCHING_PROFILE)
    assert leads_to(made) == GATEWAY_ROLE


def test_moments_on_record_are_of_this_world() -> None:
    made = outage(fleet())
    assert datetime.fromisoformat(made.status["gateway"]["tookOverAt"]).timestamp() == made.now
