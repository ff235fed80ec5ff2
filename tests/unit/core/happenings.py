"""What happens to any fleet, whatever is rolled out over it: links, nodes, time, and the end of the operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.unit.core.builders import node
from tests.unit.core.rollouts import restart
from tests.unit.core.world import World

Happening = Callable[[World], None]


def passing(seconds: float) -> Happening:
    def act(made: World) -> None:
        made.now += seconds
        made.live()

    return act


def cut(names: list[str]) -> Happening:
    return lambda made: made.cut(*(name for name in names if name in made.nodes))


def heal(made: World) -> None:
    made.heal(*made.nodes)


def join(number: int) -> Happening:
    def act(made: World) -> None:
        name = f"new-{number}"
        made.nodes.setdefault(name, replace(node(name), created="2030-01-01T00:00:00Z"))

    return act


def leave(name: str) -> Happening:
    def act(made: World) -> None:
        if made.nodes.pop(name, None) is not None:
            for pod in [pod.name for pod in made.pods.values() if pod.node == name]:
                del made.pods[pod]
                made.serving.pop(pod, None)
                made.reports.pop(pod, None)

    return act


def end_between_plan_and_status(made: World) -> None:
    before = made.deployment
    made.reconcile()
    made.deployment = before
    restart(made)
