"""Where the target stands on its way to the fleet: at once for everybody, or wave by wave.

Waves and gates are for PerNode deployments that have a stable release and ask for one of the two. Everything else is
told at once to everybody; nobody judges it then but each device for itself.
"""

from __future__ import annotations

from edgewise.api.rollout import RolloutStatus
from edgewise.api.units import three_digits
from edgewise.contract.plan import Switch
from edgewise.core.deployment.course import goes_in_waves, rejected
from edgewise.core.deployment.keeping import keeping, keeps
from edgewise.core.deployment.rolloutscene import listening_until, rollout_scene
from edgewise.core.deployment.stage import Stage
from edgewise.core.deployment.standing import recorded
from edgewise.core.deployment.view import View
from edgewise.core.observed import ObservedDeployment
from edgewise.core.rollout import engine
from edgewise.core.rollout.queries import figure
from edgewise.core.rollout.scene import Inquiry, Scene, Step

REMEMBERED = 16
"""Rejected releases on record; the oldest is forgotten."""
TEXT = 1024  # characters; the longest that api.base.Text takes


def stage(observed: ObservedDeployment, seen: View, now: float) -> Stage:
    listening = now < listening_until(observed)
    if goes_in_waves(observed, seen.course) or seen.templates.name:
        return _in_waves(observed, seen, now)
    promoted = seen.settled or (seen.arrived and not seen.placed.kept)
    refused = seen.course.refused or seen.templates.refused
    return Stage(
        switch=_at_once(observed, seen, promoted),
        promoted=promoted,
        status=observed.deployment.status.rollout if refused else None,
        rejected=rejected(observed),
        listening=listening,
    )


def _at_once(observed: ObservedDeployment, seen: View, promoted: bool) -> Switch:
    """Everybody may switch, but nodes that the target has nothing for; while paused, only those that already have."""
    if seen.stable is None or promoted:
        return Switch()
    if observed.deployment.spec.rollout.paused:
        return Switch(all=False, nodes=sorted(_told(observed, seen) & seen.placed.nodes.keys()))
    return Switch(all=False, nodes=sorted(seen.placed.nodes)) if seen.placed.kept else Switch()


def _told(observed: ObservedDeployment, seen: View) -> set[str]:
    """Nodes that got the word before the pause, offline and silent ones too, but those known to serve something else:
    they wait, and nobody has to go back."""
    before = observed.plan
    if before is None or before.target != seen.target.name:
        return set()
    if not before.switch.all:
        return set(before.switch.nodes)
    return seen.placed.nodes.keys() - {
        received.report.node for received in observed.reports.values() if received.report.serving != before.target
    }


def _in_waves(observed: ObservedDeployment, seen: View, now: float) -> Stage:
    scene = rollout_scene(observed, seen, now)
    step = engine.step(scene)
    known, bad = rejected(observed), step.word is not None and step.word.stance == "reject"
    switch = Switch() if step.promoted else _switch(observed, seen, scene, step)
    return Stage(
        switch=switch,
        promoted=step.promoted or seen.settled,
        proved=step.promoted,
        kept=keeps(observed, seen, switch.keep or {}),
        word=step.word,
        status=None if step.promoted else _written(seen, scene, step),
        rejected=(*known, *_tried(seen))[-REMEMBERED:] if bad else known,
        listening=now < scene.listening_until,
    )


def _tried(seen: View) -> list[str]:
    """Names of what was on its way. Nobody can tell which of two was bad; pods that only the release asks for go with
    it."""
    change = seen.templates
    pods = [change.name] if change.name and not change.of_release else []
    return pods if seen.settled else [seen.target.name, *pods]


def _switch(observed: ObservedDeployment, seen: View, scene: Scene, step: Step) -> Switch:
    """Everybody in the last wave, so that who joins need not be written down; in all others those who were released."""
    last = step.standing.wave == len(scene.waves) and not scene.paused
    if last and not seen.placed.kept:
        return Switch(wave=step.standing.wave, template=seen.templates.name or None)
    nodes = frozenset(seen.placed.nodes) if last else _still_released(observed, seen, scene, step)
    held = keeping(observed, seen, nodes)
    number, template = step.standing.wave or None, seen.templates.name or None
    return Switch(all=False, nodes=sorted(nodes), wave=number, template=template, keep=held or None)


def _still_released(observed: ObservedDeployment, seen: View, scene: Scene, step: Step) -> frozenset[str]:
    """Where a pause comes after everybody was told: those who have got to it, as far as anybody knows."""
    everybody = observed.plan is not None and observed.plan.switch.all and scene.standing.wave > 0
    return frozenset(_told(observed, seen)) if scene.paused and everybody else step.standing.released


def _written(seen: View, scene: Scene, step: Step) -> RolloutStatus:
    word = step.word
    told = {"evidence": evidence_in_words(scene), "reason": f"{word.reason}: {word.message}"[:TEXT] if word else None}
    return recorded(seen, step.standing, len(scene.waves)).model_copy(update=told)


def evidence_in_words(scene: Scene) -> str:
    """Figures of the wave so far, coarse enough not to change with every report."""
    seen = scene.behaviour
    figures = {
        "errors": None if seen.error_rate is None else f"{three_digits(seen.error_rate * 100)} %",
        "latency": None if seen.latency_ratio is None else f"{seen.latency_ratio:.2g} times the stable release's",
        "confidence shift": None if seen.confidence_shift is None else f"{seen.confidence_shift:.2g}",
    }
    states = f"{len(scene.there('updated'))} of {len(scene.within)} devices serve it"
    failed = len(scene.there("failed"))
    told = [states, f"{failed} failed" if failed else "", f"{_coarse(seen.requests)} requests" if seen.requests else ""]
    figures |= {f"query {one.name}": _newest(one) for one in scene.inquiries}
    return ", ".join([*filter(None, told), *(f"{name} {text}" for name, text in figures.items() if text)])


def _newest(inquiry: Inquiry) -> str | None:
    value = inquiry.answers[-1].value if inquiry.answers else None
    return None if value is None else figure(float(f"{value:.2g}"))


def _coarse(count: int) -> str:
    """To its first digit: 5432 -> `5000+`."""
    scale = 10 ** (len(str(count)) - 1)
    return str(count) if count < 10 else f"{count // scale * scale}+"
