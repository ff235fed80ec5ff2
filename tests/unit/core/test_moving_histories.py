"""Whatever makes nodes move, and whatever else happens: each is in one place, and few are away at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewise.core.deployment.moves import SEEN_BY_ALL
from tests.unit.core.builders import ONNX_FP16, anywhere, build, model, node
from tests.unit.core.fleets import CPU, JETSON, settled
from tests.unit.core.rollouts import restart
from tests.unit.core.scheduling import admits
from tests.unit.core.world import World

thorough = settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
NAMES = [f"pi-{i}" for i in range(6)]
SOME = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)


@dataclass
class Watched:
    """A world, and the nodes that nobody can answer for: they were cut since they last served."""

    made: World
    excused: set[str] = field(default_factory=set)

    def look(self) -> None:
        self.made.reconcile()
        self._each_in_one_place()
        self.made.live()
        self.excused |= {name for name, one in self.made.nodes.items() if not one.ready}
        self.excused -= {name for name in self.made.served() if self.made.nodes[name].ready}
        away = self.made.nodes.keys() - self.made.served().keys() - self.excused
        assert len(away) <= 1, f"away: {away}"
        self.made.now += SEEN_BY_ALL / 2

    def _each_in_one_place(self) -> None:
        for name, one in self.made.nodes.items():
            there = [w.profile for w in self.made.observed().workloads if admits(w.affinity, one.labels)]
            assert len(there) == 1, f"{name} has pods of {there}"


Event = Callable[[Watched], None]


def _better_profile(number: int) -> Event:
    def act(watched: Watched) -> None:
        if all(known.metadata.name != f"better-{number}" for known in watched.made.profiles):
            watched.made.profiles.append(anywhere(f"better-{number}", priority=10 * number))

    return act


def _version(number: int, builds: int) -> Event:
    offered = (build(), build("fp16", ONNX_FP16))[:builds]
    return lambda watched: watched.made.release(model("digits", *offered, version=f"{number}.0.0"))


def _called(names: list[str], device: str) -> Event:
    def act(watched: Watched) -> None:
        for name in names:
            one = watched.made.nodes[name]
            watched.made.nodes[name] = replace(one, labels={**one.labels, "edgewise.dev/device": device})

    return act


def _passing(seconds: float) -> Event:
    return lambda watched: setattr(watched.made, "now", watched.made.now + seconds)


EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.integers(1, 3).map(_better_profile),
    st.builds(_version, st.integers(2, 4), st.integers(1, 2)),
    st.builds(_called, SOME, st.sampled_from(["cpu", "jetson"])),
    SOME.map(lambda names: lambda watched: watched.made.cut(*names)),
    st.just(lambda watched: watched.made.heal(*NAMES)),
    SOME.map(lambda names: lambda watched: watched.made.slow.update(names)),
    st.just(lambda watched: watched.made.slow.clear()),
    st.just(lambda watched: restart(watched.made)),
    st.sampled_from([30.0, 400.0, 1000.0]).map(_passing),
    st.sampled_from([True, False]).map(lambda on: lambda watched: watched.made.edit(rollout={"paused": on})),
)


@thorough
@given(SOME, st.lists(st.tuples(EVENTS, st.integers(1, 10)), max_size=6))
def test_each_node_is_in_one_place_and_one_is_away_at_most_until_all_have_come_to_rest(
    slow: list[str], events: list[tuple[Event, int]]
) -> None:
    watched = Watched(settled([node(name) for name in NAMES], [CPU, JETSON]))
    watched.made.slow |= set(slow)
    for event, looks in [(_better_profile(1), 10), *events]:
        event(watched)
        for _ in range(looks):
            watched.look()
    made = watched.made
    made.slow.clear()
    made.heal(*NAMES)
    made.edit(rollout={"retry": next((move["to"] for move in made.status.get("moves", ())), "")})
    for _ in range(50):
        watched.look()
    assert made.ready in {("True", "Serving"), ("False", "MoveFailed")}, made.status["conditions"]
    assert made.held == {} or made.ready[1] == "MoveFailed"
    assert made.served().keys() == set(NAMES)
