"""Images are on their nodes before pods go for them; and when pods that serve may go."""

from __future__ import annotations

from typing import Any

import pytest

from edgewise.api.names import MANAGED_BY, ROLE_LABEL
from tests.unit.core.podchanges import CRASHES, NEW, UNKNOWN, changed, pull_sets, renewed
from tests.unit.core.rollouts import SOAK, after, fleet, pis


def test_an_image_is_brought_to_the_devices_of_the_wave_and_no_others_before_their_pods_go() -> None:
    made = fleet()
    made.edit(serving={"image": NEW})
    made.reconcile()
    (nodes,) = pull_sets(made).values()
    assert len(nodes) == 1
    made.missing = {(one, NEW): UNKNOWN for one in nodes}
    for _ in range(5):
        made.reconcile()
        made.live()
    assert not renewed(made)
    made.missing.clear()
    after(made, 0)
    assert renewed(made) == nodes
    for _ in range(3):
        after(made, SOAK)
    assert (len(renewed(made)), pull_sets(made)) == (6, {})


def test_a_device_that_cannot_get_the_image_serves_on_and_the_wave_waits_and_says_why() -> None:
    made = fleet()
    made.missing = {(f"pi-{i}", NEW): UNKNOWN for i in range(1, 7)}
    changed(made)
    after(made, SOAK)
    assert (renewed(made), len(made.served())) == (set(), 6)
    assert made.ready == ("False", "ImageNotPulled")
    (waiting,) = next(iter(pull_sets(made).values()))
    assert f"({waiting}): ImageNotPulled: {UNKNOWN}" in made.status["conditions"][0]["message"]


def test_an_image_that_does_not_come_until_the_deadline_is_rejected() -> None:
    made = fleet(gates={"deadline": "1h"})
    made.missing = {(f"pi-{i}", NEW): UNKNOWN for i in range(1, 7)}
    changed(made)
    after(made, 3599)
    assert made.ready == ("False", "ImageNotPulled")
    after(made, 1)
    assert made.ready == ("False", "PodsRejected")
    assert pull_sets(made) == {}
    assert len(made.served()) == 6


def test_without_waves_too_no_pod_goes_before_its_image_is_there() -> None:
    made = fleet(waves=[])
    made.missing = {("pi-2", NEW): UNKNOWN}
    made.edit(serving={"image": NEW})
    made.settle(rounds=40)
    assert renewed(made) == {f"pi-{i}" for i in (1, 3, 4, 5, 6)}
    assert made.ready == ("True", "ImageNotPulled")
    assert f"pi-2: {UNKNOWN}" in made.status["conditions"][0]["message"]
    assert len(made.served()) == 6


def test_pods_that_change_otherwise_bring_no_image() -> None:
    made = fleet()
    made.edit(serving={"resources": {"requests": {"memory": "1Gi"}}})
    made.reconcile()
    assert pull_sets(made) == {}


def test_what_brings_images_is_no_runtime_pod_and_no_service_leads_to_it() -> None:
    made = fleet()
    made.edit(serving={"image": NEW})
    made.reconcile()
    (puller,) = (one for (_, key), one in made.children.items() if "-pull-" in key)
    labels = puller["spec"]["template"]["metadata"]["labels"]
    assert labels[MANAGED_BY] == "edgewise"
    for (kind, _), child in made.children.items():
        spec = child.get("spec", {})
        selector = spec.get("selector", {}) if kind == "Service" else spec.get("selector", {}).get("matchLabels", {})
        if child is not puller and selector:
            assert not selector.items() <= labels.items()
    assert labels[ROLE_LABEL] == "pull"


NIGHTS = {"schedule": "0 2 * * *", "duration": "2h"}


@pytest.mark.parametrize("waves", [[], [{"nodes": 1}]], ids=["all at once", "by waves"])
def test_pods_that_serve_are_replaced_while_the_window_is_open_and_images_come_before(waves: Any) -> None:
    made = fleet(pis(1), waves=waves)
    changed(made, window=NIGHTS)
    after(made, 3600)
    assert (renewed(made), pull_sets(made)) == (set(), {NEW: {"pi-1"}})
    message = made.status["conditions"][0]["message"]
    assert "spec.rollout.window" in message
    after(made, 3 * 3600)  # 23:13 and four hours: half past two and more
    assert renewed(made) == {"pi-1"}


def test_the_way_back_waits_for_no_window() -> None:
    made = fleet(window={"schedule": "13 22 14 11 *", "duration": "1m"})
    made.spoilt[NEW] = CRASHES
    made.edit(serving={"image": NEW})
    for _ in range(4):
        made.reconcile()
        made.live()
    assert len(renewed(made)) == 1
    made.now += 3600
    after(made, 0)
    assert (renewed(made), made.ready) == (set(), ("False", "PodsRejected"))
