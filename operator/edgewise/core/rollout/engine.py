"""One look at a rollout: which wave is released now, whether it is promoted, or what it waits for.

Called once a look; the answer depends on the scene alone, and two looks at one scene give one answer. Waves only grow:
what was released stays released until the release as a whole is promoted or rejected.
"""

from __future__ import annotations

from dataclasses import replace

from edgewise.api.names import Reason
from edgewise.core.conditions import timestamp
from edgewise.core.rollout import gates, queries
from edgewise.core.rollout.scene import Scene, Standing, Step, Word
from edgewise.core.rollout.waves import ANYBODY, Draw, Member, extent, following


def step(scene: Scene) -> Step:
    if scene.standing.wave == 0:
        return _begin(scene)
    scene = replace(scene, standing=_arrived(scene))
    word = gates.first(scene)
    if word is None:
        return _onward(scene)
    if _due(scene, word):
        return _with_others(scene)
    return Step(scene.standing, word)


def _begin(scene: Scene) -> Step:
    """Nobody has it yet; nothing is judged, and a person or a fresh start may hold it back."""
    word = gates.it_is_paused(scene) or queries.cannot_be_asked(scene) or gates.the_operator_listens(scene)
    if word is None and scene.members and not any(member.reachable for member in scene.members):
        word = Word("wait", Reason.WAITING_FOR_DEVICES, "every device is offline; waiting for one")
    return Step(scene.standing, word) if word is not None else _onward(scene)


def _onward(scene: Scene) -> Step:
    """To the next wave that adds somebody; past the last one the release is promoted, if nobody needs the stable one.
    Who needs it may find a place for the release elsewhere, once everybody may have it."""
    now, standing = scene.now, scene.standing
    # Who has it before the first wave got it by chance, and has shown nothing: the first in it, but a part of it.
    earlier = standing.released if standing.wave else frozenset[str]()
    coming = following(scene.waves, _ordered(scene), standing.wave, earlier)
    if coming is None and scene.needed_elsewhere and standing.wave < len(scene.waves):
        coming = len(scene.waves), standing.released
    if coming is not None:
        number, released = coming
        began = standing.began if standing.wave else now
        word = Word("wait", Reason.ROLLING_OUT, "it has just begun")
        return Step(Standing(number, released | standing.released, began, now), word)
    return Step(standing, promoted=not scene.needed_elsewhere)


def _due(scene: Scene, word: Word) -> bool:
    away = word.reason == Reason.DEVICES_LOST and word.stance == "wait"
    return away and scene.now >= gates.replaced_at(scene)


def _with_others(scene: Scene) -> Step:
    """The wave drawn anew from those who can be reached; its own devices stay in it. Where nobody who can be reached
    bears its labels, any other device stands in."""
    standing, ordered = scene.standing, _ordered(scene)
    released = standing.released | extent(scene.waves[standing.wave - 1], ordered)
    if not any(member.reachable and member.name in released for member in ordered):
        released |= extent(ANYBODY, ordered)
    anew = replace(standing, released=released, since=scene.now, soak_ends=None, replaced=standing.replaced + 1)
    return Step(anew, Word("wait", Reason.DEVICES_LOST, "all devices of the wave went away; others took their place"))


def _arrived(scene: Scene) -> Standing:
    """With the end of the soak, once devices have arrived."""
    standing, within = scene.standing, scene.within
    if standing.soak_ends is not None or not within or scene.now < scene.listening_until:
        return standing
    if gates.they_do_not_report(scene) is not None or gates.they_are_on_their_way(scene) is not None:
        return standing
    return replace(standing, soak_ends=scene.now + scene.limits.soak)


def _ordered(scene: Scene) -> list[Member]:
    """Those who have it first: a count of devices begins with them."""
    began = scene.standing.began
    return Draw(scene.release, timestamp(began) if began else "").order(scene.members, scene.standing.released)
