"""Who answers at a deployment's Service: its devices, or the gateway while none of them is ready. Pure.

An ordered list of checks; the first that speaks decides. The Service changes hands only after a time in which nothing
spoke against it, so devices that come and go do not make it flap. The time runs from a moment on record in the status:
an operator that is restarted neither forgets nor hurries. Called by core/deployment/relief.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scene:
    """What the decision looks at. Times are seconds; moments are seconds since the epoch."""

    serving: bool
    """The Service leads to the gateway."""
    devices: int
    """Pods of devices that a Service would send requests to."""
    gateways: int
    """Pods of the gateway that it would."""
    take_over_after: float
    give_back_after: float
    turning_since: float | None = None
    """Since when it has been about to change hands, as it was recorded."""
    wanted: bool = True
    """There shall be a gateway at all."""


@dataclass(frozen=True)
class Turn:
    """Who has the Service from now on."""

    serving: bool
    """The gateway."""
    turning_since: float | None = None
    """To be recorded: since when it has been about to change hands; None: it is not."""
    wait: float | None = None
    """Seconds until it changes hands if nothing else happens; None: something else has to."""


Check = Callable[[Scene, float], Turn | None]


def turn(scene: Scene, now: float) -> Turn:
    spoken = (check(scene, now) for check in CHECKS)
    return next(found for found in spoken if found is not None)


def nobody_wants_a_gateway(scene: Scene, _: float) -> Turn | None:
    return None if scene.wanted else Turn(serving=False)


def whoever_has_it_should_keep_it(scene: Scene, _: float) -> Turn | None:
    """Devices while one is ready, the gateway while none is."""
    right = scene.serving is (scene.devices == 0)
    return Turn(scene.serving) if right else None


def the_gateway_is_gone(scene: Scene, _: float) -> Turn | None:
    """Or all its targets are. A device is ready, so nothing is gained by waiting."""
    return Turn(serving=False) if scene.serving and scene.gateways == 0 else None


def it_is_too_soon(scene: Scene, now: float) -> Turn | None:
    since = _since(scene, now)
    left = since + _patience(scene) - now
    return Turn(scene.serving, since, left) if left > 0 else None


def the_gateway_could_not_answer(scene: Scene, now: float) -> Turn | None:
    """It takes over in the moment in which it can: the time has run."""
    return Turn(serving=False, turning_since=_since(scene, now)) if scene.gateways == 0 else None


def it_is_time(scene: Scene, _: float) -> Turn | None:
    """Always speaks: it is the last."""
    return Turn(not scene.serving)


def _since(scene: Scene, now: float) -> float:
    """Whole seconds, as they are recorded, and the later one, lest it is ever too soon; never in the future of a clock
    that was set back."""
    latest = float(math.ceil(now))
    return latest if scene.turning_since is None else min(scene.turning_since, latest)


def _patience(scene: Scene) -> float:
    return scene.give_back_after if scene.serving else scene.take_over_after


CHECKS: tuple[Check, ...] = (
    nobody_wants_a_gateway,  # switched off, private, or without targets
    whoever_has_it_should_keep_it,
    the_gateway_is_gone,  # and a device is ready: better than nobody
    it_is_too_soon,
    the_gateway_could_not_answer,  # no device is ready, and nobody else
    it_is_time,
)
