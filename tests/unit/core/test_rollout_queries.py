"""Whole rollouts that ask a Prometheus: of a release, and of changed pods."""

from __future__ import annotations

from dataclasses import replace

from edgewise.core.observed import Answer
from edgewise.core.rollout.queries import wanted
from tests.unit.core.rollouts import SOAK, B, after, fleet, having, rejected, restart, roll, stage
from tests.unit.core.world import World

GATES = {"query": [{"name": "scrap", "promql": 'scrap{release="{{release}}"}', "max": "0.2"}]}
NEW = "registry.local/cpu:2"


def asking() -> World:
    made = fleet(gates=GATES)
    made.settings = replace(made.settings, prometheus=True)
    return made


def said(made: World, value: float | None) -> World:
    """The Prometheus is asked what the operator wants to know, a quarter of a minute later."""
    made.now += 15
    for text in wanted(made.deployment):
        made.answers[text] = (*made.answers.get(text, ()), Answer(made.now, value))[-3:]
    return after(made, 0)


def test_every_wave_waits_for_an_answer_of_its_own() -> None:
    made = roll(asking())
    for number, devices in ((1, 1), (2, 3), (3, 6)):
        said(made, 0.1)
        assert (stage(made), len(having(made))) == ((number, "Soaking"), devices)
        after(made, SOAK)
        assert stage(made) == (number, "QueryUnanswered")
        said(made, 0.1)
    assert made.ready == ("True", "Serving")
    assert list(made.answers) == [f'scrap{{release="{B}"}}']


def test_bad_answers_return_the_fleet_and_a_restart_forgets_none_but_them() -> None:
    made = roll(asking())
    said(said(made, 0.5), 0.5)
    made.answers.clear()
    restart(made)
    made.live()
    for _ in range(2):
        said(made, 0.5)
    assert rejected(made) == []
    said(made, 0.5)
    assert (rejected(made), having(made)) == ([B], set())
    assert wanted(made.deployment) == [], "and nobody is asked any more"


def test_without_a_prometheus_no_device_gets_the_release_and_with_one_it_goes_on() -> None:
    made = roll(fleet(gates=GATES))
    assert (made.ready, having(made)) == (("False", "NoPrometheus"), set())
    made.settings = replace(made.settings, prometheus=True)
    after(made, 0)
    assert (stage(made), len(having(made))) == ((1, "Soaking"), 1)


def test_changed_pods_are_asked_about_too() -> None:
    made = asking()
    made.edit(serving={"image": NEW}, rollout=made.deployment.spec.rollout.wire())
    after(made, 0)
    assert stage(made) == (1, "Soaking")
    after(made, SOAK)
    assert stage(made) == (1, "QueryUnanswered")
    said(made, 0.1)
    assert stage(made) == (2, "Soaking")
    for _ in range(3):
        said(made, 0.3)
    assert [name[:5] for name in rejected(made)] == ["pods-"]
    assert wanted(made.deployment) == []
