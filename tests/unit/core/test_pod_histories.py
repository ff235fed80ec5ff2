"""Whatever happens to a fleet, changed pods keep the rules at every look; left in peace, they come to an end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewise.core.observed import Pod
from tests.unit.core import happenings
from tests.unit.core.builders import model
from tests.unit.core.happenings import Happening
from tests.unit.core.rollouts import SOAK, fleet, pis, restart
from tests.unit.core.world import World

WAVES = [{"nodes": 1}, {"percent": 50}]
IMAGES = [f"registry.local/cpu:{number}" for number in range(1, 6)]
ENDS = {"Serving", "PodsRejected", "ReturnFailed", "ImageNotPulled"}
AMID_BROKEN_PODS = "ReleaseRejected"
"""One end more where pods of some image cannot start: nor can a release serve that comes to such a device first."""
ALLOWED = 3
"""Devices of eight that may be away at the same time."""
ROLLOUT: dict[str, Any] = {"waves": WAVES, "gates": {"deadline": "2h"}, "maxUnavailable": "40%"}


@dataclass
class Looks:
    """A world, and the rules for each look at it."""

    made: World
    tried: list[str] = field(default_factory=list)
    """Names of changes that went out since a person last acted, each once in a row."""

    def look(self, looks: int = 3) -> None:
        for _ in range(looks):
            before, answering = dict(self.made.pods), self._answering()
            outcome = self.made.reconcile()
            self._check([before[ref.name] for ref in outcome.delete], answering)
            self.made.live()
            self.made.now += 1

    def _answering(self) -> set[str]:
        return {pod.node for pod in self.made.pods.values() if pod.ready and self.made.nodes[pod.node].ready}

    def _check(self, gone: list[Pod], answering: set[str]) -> None:
        plan, online = self.made.plan, {one.name for one in self.made.nodes.values() if one.ready}
        assert plan is not None
        assert {pod.node for pod in gone} <= online, "a pod goes only where a kubelet makes another"
        served = {pod.node for pod in gone if pod.ready}
        assert not served or len(online - answering) + len(served) <= max(1, len(online) * 40 // 100)
        image = self.made.children["DaemonSet", "digits-cpu"]["spec"]["template"]["spec"]["containers"][0]["image"]
        assert not [pod for pod in gone if pod.ready and (pod.node, image) in self.made.missing and pod.image != image]
        if plan.switch.template is None:
            return
        assert plan.switch.all or {pod.node for pod in gone} <= set(plan.switch.nodes), "nobody before its wave"
        if self.tried[-1:] != [plan.switch.template]:
            self.tried.append(plan.switch.template)
        assert len(self.tried) == len(set(self.tried)), f"to and fro: {self.tried}"


Event = Callable[[Looks], None]


def _to_all(happening: Happening) -> Event:
    return lambda looks: happening(looks.made)


def _edit(image: str = "", memory: str = "", **rollout: object) -> Event:
    def act(looks: Looks) -> None:
        looks.tried.clear()
        asked = {"resources": {"requests": {"memory": memory}}} if memory else {}
        serving = {**({"image": image} if image else {}), **asked}
        looks.made.edit(rollout={**ROLLOUT, **rollout}, **({"serving": serving} if serving else {}))

    return act


def _release(number: int) -> Event:
    def act(looks: Looks) -> None:
        looks.tried.clear()
        looks.made.release(model(version=f"{number}.0.0"))

    return act


def _missing(names: list[str], image: str) -> Event:
    return lambda looks: looks.made.missing.update(((name, image), "ImagePullBackOff: no route") for name in names)


def _spoilt(image: str) -> Event:
    return lambda looks: looks.made.spoilt.update({image: "CrashLoopBackOff: Error, exit code 1"})


SOME = st.lists(st.sampled_from([f"pi-{i}" for i in range(1, 9)]), min_size=1, max_size=6, unique=True)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.sampled_from([5.0, SOAK, SOAK, 3 * SOAK]).map(happenings.passing).map(_to_all),
    st.sampled_from(IMAGES).map(_edit),
    st.sampled_from(IMAGES).map(_edit),
    st.sampled_from(["1Gi", "2Gi"]).map(lambda memory: _edit(memory=memory)),
    st.builds(_edit, st.sampled_from(IMAGES), st.sampled_from(["1Gi", "2Gi"])),
    st.sampled_from(IMAGES).map(_spoilt),
    st.builds(_missing, SOME, st.sampled_from(IMAGES)),
    SOME.map(happenings.cut).map(_to_all),
    st.just(_to_all(happenings.heal)),
    st.integers(2, 4).map(_release),
    st.integers(1, 2).map(happenings.join).map(_to_all),
    st.sampled_from([restart, happenings.end_between_plan_and_status]).map(_to_all),
    st.sampled_from([_edit(paused=True), _edit()]),
)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EVENTS, max_size=12))
def test_every_history_of_pods_keeps_the_rules_and_comes_to_an_end(events: list[Event]) -> None:
    looks = Looks(fleet(pis(8), **ROLLOUT))
    for event in events:
        event(looks)
        looks.look()
    happenings.heal(looks.made)
    looks.made.missing.clear()
    _edit()(looks)
    for _ in range(9):
        looks.look(4)
        happenings.passing(SOAK)(looks.made)
    looks.look(1)
    ends = ENDS | {AMID_BROKEN_PODS} if looks.made.spoilt else ENDS
    assert looks.made.ready[1] in ends, looks.made.status["conditions"][0]["message"]
    assert looks.made.served().keys() == looks.made.nodes.keys() or looks.made.ready[1] == "ReturnFailed"
