"""What several checks say alike: that a wave waits, how long at most, that something speaks against the release."""

from __future__ import annotations

from edgewise.core.rollout.openings import shut_between
from edgewise.core.rollout.scene import Scene, Word


def wait(reason: str, text: str, until: float | None = None) -> Word:
    return Word("wait", reason, text, until)


def against(scene: Scene, reason: str, text: str) -> Word:
    return Word("reject" if scene.limits.rollback else "stuck", reason, text)


def skipped(scene: Scene) -> bool:
    """A person has seen enough of this wave."""
    return scene.promote == how_to_skip(scene)


def how_to_skip(scene: Scene) -> str:
    """What spec.rollout.promote must be."""
    return f"{scene.release}/{scene.standing.wave}"


def deadline(scene: Scene) -> float:
    """When the wave stops waiting (seconds since the epoch), if the window, which may have been shut, stays open."""
    since, window = scene.standing.since, scene.window
    ends = since + scene.limits.deadline
    if window is None or scene.now < ends:  # the time it was shut would only add to that
        return ends
    return ends + shut_between(window, since, scene.now)


def too_little(scene: Scene, reason: str, what: str) -> Word | None:
    """There is too little evidence: until the deadline the wave waits for more, then onTooFew decides."""
    if scene.now < deadline(scene):
        return wait(reason, f"{what} yet", deadline(scene))
    then = scene.limits.on_too_few
    if then == "Promote" or (then == "UseSelfTest" and scene.self_tested):
        return None
    how = "onTooFew is Hold" if then == "Hold" else "the model has no selfTest to go by instead"
    return stuck(scene, reason, f"{what} within gates.deadline, and {how}")


def stuck(scene: Scene, reason: str, text: str) -> Word:
    """Nothing goes on by itself any more."""
    return Word("stuck", reason, f"{text}; set rollout.promote: {how_to_skip(scene)} to go on")
