"""Histories of a fleet in which anything happens to a rollout, and what must hold at every look: the ledger keeps it.

Time passes, links are cut and mended, nodes join and leave, the operator restarts or ends between two writes, people
set versions, pause, pin, forgive and skip; releases are bad everywhere, on one device, or only under load; devices go
mute, and one of them lies about everything it counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st

from edgewise.contract.plan import Plan as DevicePlan
from edgewise.contract.report import Counters
from edgewise.core.progress import reachable
from tests.unit.core import happenings
from tests.unit.core.builders import ONNX_FP16, build, model, node, released
from tests.unit.core.fleets import CPU, JETSON
from tests.unit.core.happenings import Happening
from tests.unit.core.rollouts import SOAK, fleet, pis, restart
from tests.unit.core.world import World

WAVES = [{"nodes": 1}, {"percent": 50}]
GATES = {"errorRate": "0.05"}
LIAR = "pi-2"
PLAN_CHANGES = 9
"""Of one version, whatever the fleet does: three waves, three replacements of the first and three of the second, less
than which nobody gets along with when links fail all the time; promotion or return; and the change itself."""

BOTH = (build(), build("fp16", ONNX_FP16))
"""Some versions have a better build for the devices that are Jetsons; one has no other for them."""
BUILDS = {5: BOTH, 6: BOTH, 7: BOTH[1:]}
VERSIONS = {number: model("digits", *BUILDS.get(number, BOTH[:1]), version=f"{number}.0.0") for number in range(1, 8)}
NAMES = {number: released(version).name for number, version in VERSIONS.items()}


@dataclass
class Ledger:
    """A world, what was seen of it so far, and the rules."""

    made: World
    told: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Release -> nodes that could hear that they shall serve it."""
    bad: set[str] = field(default_factory=set)
    """Releases that fail requests everywhere."""
    targets: list[str] = field(default_factory=list)
    """Of the plans since a person last acted, each change once."""
    changes: int = 0
    """Of the plan since then."""
    last: DevicePlan | None = None

    def person(self) -> None:
        """Somebody acts."""
        self.targets, self.changes = [], 0

    def look(self, looks: int = 3) -> None:
        for _ in range(looks):
            self._count()
            self.made.reconcile()
            self._check()
            self.made.live()
            self._serves()

    def _count(self) -> None:
        """Every device answers, in its own way."""
        for name, release in self.made.served().items():
            failures = 500 if release in self.bad or name == LIAR else 0
            requests = 1000 if release in self.bad or name != LIAR else 500
            self.made.counters[name, release] = Counters(requests=requests, failures=failures)

    def _check(self) -> None:
        plan = self.made.plan
        assert plan is not None
        if plan != self.last:
            self.changes += 1
            self.last = plan
        if self.targets[-1:] != [plan.target]:
            self.targets.append(plan.target)
        online = reachable(self.made.observed())
        self._rules(plan, online)
        for name in online & self.made.nodes.keys():
            self.told[plan.wanted(name)].add(name)

    def _serves(self) -> None:
        """Who could be reached when its pod was made serves something, whatever moves where; but for a node that was
        let go to a profile from which it cannot serve, until it is back."""
        trying = {name for move in self.made.status.get("moves", ()) for name in move.get("trying", ())}
        idle = {pod.node for pod in self.made.pods.values()} - self.made.served().keys() - trying
        assert not idle & self.made.nodes.keys(), f"nothing serves on {idle}"

    def _rules(self, plan: DevicePlan, online: frozenset[str]) -> None:
        wanted = {name: plan.wanted(name) for name in self.made.nodes}
        assert not set(wanted.values()) & set(plan.rejected), "a rejected release is wanted by nobody"
        assert {release.name for release in plan.releases} >= set(wanted.values()), "what is wanted is in the plan"
        assert len(self.targets) == len(set(self.targets)), f"to and fro: {self.targets}"
        assert self.changes <= PLAN_CHANGES, "a plan for each wave, not for each device"
        for release, nodes in (plan.switch.keep or {}).items():
            assert set(nodes) <= self.told[release], "what somebody slept through is not installed any more"
        told = self.made.status.get("rollout", {})
        if told.get("release") == plan.target and told.get("wave") == 1 and not plan.switch.all:
            got = {name for name in online if wanted[name] == plan.target} | self.told[plan.target]
            assert len(got & set(plan.switch.nodes)) <= self._first_wave(told.get("replaced", 0))

    def _first_wave(self, replaced: int) -> int:
        """Reachable ones, and those that the draw passed while they were offline."""
        assert self.made.plan is not None
        passed = len(set(self.made.plan.switch.nodes) - self.told[self.made.plan.target])
        return 1 + replaced + len(self.made.nodes) if passed else len(self.made.nodes)


Event = Callable[[Ledger], None]


def passing(seconds: float) -> Event:
    return _to_all(happenings.passing(seconds))


def _to_all(happening: Happening) -> Event:
    return lambda ledger: happening(ledger.made)


def _version(number: int) -> Event:
    def act(ledger: Ledger) -> None:
        ledger.person()
        ledger.made.release(VERSIONS[number])

    return act


def _broken(number: int, names: list[str]) -> Event:
    return lambda ledger: ledger.made.broken.update((name, NAMES[number]) for name in names)


def _failing(number: int) -> Event:
    return lambda ledger: ledger.bad.add(NAMES[number])


def edited(**rollout: object) -> Event:
    def act(ledger: Ledger) -> None:
        ledger.person()
        ledger.made.edit(rollout={"waves": WAVES, "gates": GATES, **rollout})

    return act


def _retry(number: int) -> Event:
    return edited(retry=NAMES[number])


def _skip(number: int, wave: int) -> Event:
    return edited(promote=f"{NAMES[number]}/{wave}")


def _mute(names: list[str]) -> Event:
    return lambda ledger: ledger.made.mute.update(names)


PIS = [f"pi-{i}" for i in range(1, 7)]
SOME = st.lists(st.sampled_from(PIS), min_size=1, max_size=5, unique=True)
NEXT = st.integers(2, 7)

EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.sampled_from([5.0, 100.0, SOAK, 2 * SOAK]).map(passing),
    st.sampled_from([5.0, 100.0, SOAK, 2 * SOAK]).map(passing),
    SOME.map(happenings.cut).map(_to_all),
    st.just(_to_all(happenings.heal)),
    st.integers(1, 3).map(happenings.join).map(_to_all),
    st.sampled_from(PIS).map(happenings.leave).map(_to_all),
    st.sampled_from([restart, happenings.end_between_plan_and_status]).map(_to_all),
    NEXT.map(_version),
    NEXT.map(_version),
    st.builds(_broken, NEXT, st.just(PIS) | SOME),
    NEXT.map(_failing),
    st.sampled_from([edited(paused=True), edited(), edited(rollbackOnFailure=False)]),
    NEXT.map(_retry),
    st.builds(_skip, NEXT, st.integers(1, 3)),
    SOME.map(_mute),
)


def begun() -> Ledger:
    """Six devices serve the first version; two of them are Jetsons."""
    nodes = [*pis(4), node("pi-5", "jetson"), node("pi-6", "jetson")]
    return Ledger(fleet(nodes, WAVES, GATES, profiles=[CPU, JETSON]))
