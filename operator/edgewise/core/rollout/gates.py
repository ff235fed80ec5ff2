"""What a wave must show before the next one begins: ordered checks; the first that speaks decides.

What speaks against the release comes first: evidence is worth the same while the rollout is paused, and after a restart
of the operator. Nothing that was not said speaks against it: silence only holds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from math import sqrt

from edgewise.api.names import Reason
from edgewise.api.units import three_digits
from edgewise.core.rollout import queries
from edgewise.core.rollout.limits import LATER_WAVES, nearest
from edgewise.core.rollout.scene import Scene, Word
from edgewise.core.rollout.waves import Member
from edgewise.core.rollout.words import against, deadline, skipped, too_little, wait

REPLACEMENTS = 3
"""Times a wave whose devices have all gone takes others: a release that takes devices off the network gets no more."""
FAILURES = 3
"""Failed requests below which nobody is convicted before the end."""
SIGMAS = 3.0
"""Standard deviations that a rate may be above the limit by chance."""
PLAINLY = 1.25
"""Factor by which a figure that is still being measured must miss its limit."""

Check = Callable[[Scene], Word | None]


def first(scene: Scene) -> Word | None:
    """None: the wave has shown what it must."""
    return next((word for check in CHECKS if (word := check(scene)) is not None), None)


def too_many_failed(scene: Scene) -> Word | None:
    failed = scene.there("failed")
    if len(failed) <= allowed_failures(scene):
        return None
    return against(scene, Reason.TOO_MANY_FAILED, f"{_share(failed, scene.within)} cannot serve it{_quoted(failed)}")


def allowed_failures(scene: Scene) -> int:
    """Devices of the wave that may fail: one bad device is no verdict on a release that ran on others before."""
    percent = scene.limits.max_failed
    if percent is None:
        percent = 0 if scene.standing.wave <= 1 and not scene.last else LATER_WAVES
    return nearest(percent, len(scene.within))


def a_whole_profile_failed(scene: Scene) -> Word | None:
    """Few may fail, but not everybody of a kind; one device alone may be broken itself."""
    tried = Counter(member.profile for member in scene.there("failed", "updated"))
    failed = defaultdict[str, list[Member]](list)
    for member in scene.there("failed"):
        failed[member.profile].append(member)
    for profile, members in sorted(failed.items()):
        if len(members) == tried[profile] > 1:
            text = f"all {len(members)} devices of profile {profile} that tried cannot serve it{_quoted(members)}"
            return against(scene, Reason.TOO_MANY_FAILED, text)
    return None


def errors_are_plainly_too_many(scene: Scene) -> Word | None:
    """Before the end: more than chance makes of the rate that is allowed, however often one looks."""
    rate, limit, asked = scene.behaviour.error_rate, scene.limits.error_rate, scene.behaviour.requests
    if rate is None or limit is None or rate * asked < FAILURES:
        return None
    chance = SIGMAS * sqrt(limit * (1 - limit) / asked)
    return _errors(scene) if rate > limit + chance else None


def it_is_plainly_too_slow(scene: Scene) -> Word | None:
    return _slow(scene, PLAINLY)


def it_plainly_answers_differently(scene: Scene) -> Word | None:
    return _different(scene, PLAINLY)


def it_is_not_good_enough(scene: Scene) -> Word | None:
    """At the end every figure is taken at its word."""
    return _errors(scene) or _slow(scene) or _different(scene)


def _errors(scene: Scene) -> Word | None:
    rate, limit = scene.behaviour.error_rate, scene.limits.error_rate
    if rate is None or limit is None or rate <= limit:
        return None
    text = f"{_percent(rate)} of its requests fail; errorRate allows {_percent(limit)}"
    return against(scene, Reason.ERROR_RATE, f"{text}{_where(scene, 'error_rate')}")


def _slow(scene: Scene, margin: float = 1.0) -> Word | None:
    ratio, limit = scene.behaviour.latency_ratio, scene.limits.latency_ratio
    if ratio is None or limit is None or ratio <= limit * margin:
        return None
    text = f"it takes {three_digits(ratio)} times as long as the stable release on the same devices; latencyRatio"
    return against(scene, Reason.LATENCY_RATIO, f"{text} allows {three_digits(limit)}{_where(scene, 'latency_ratio')}")


def _different(scene: Scene, margin: float = 1.0) -> Word | None:
    shift, limit = scene.behaviour.confidence_shift, scene.limits.confidence_shift
    if shift is None or limit is None or shift <= limit * margin:
        return None
    text = f"its confidences are {three_digits(shift)} away from the stable release's; confidenceShift allows"
    return against(scene, Reason.CONFIDENCE_SHIFT, f"{text} {three_digits(limit)}{_where(scene, 'confidence_shift')}")


def it_is_paused(scene: Scene) -> Word | None:
    return wait(Reason.PAUSED, "spec.rollout.paused holds the next wave") if scene.paused else None


def the_operator_listens(scene: Scene) -> Word | None:
    """After a start nobody has spoken yet, which says nothing of anybody."""
    if scene.now >= scene.listening_until:
        return None
    text = "the operator has just started, and hears every device once before it goes on"
    return wait(Reason.LISTENING, text, scene.listening_until)


def all_of_it_is_away(scene: Scene) -> Word | None:
    if scene.within:
        return None
    if not scene.outside:
        return wait(Reason.WAITING_FOR_DEVICES, "every device is offline; waiting for one")
    if scene.standing.replaced >= REPLACEMENTS and not skipped(scene):
        text = (
            f"all devices of the wave went away, {scene.standing.replaced + 1} times in a row; "
            f"look whether {scene.release} takes them off the network, then set rollout.promote, or change the model"
        )
        return Word("stuck", Reason.DEVICES_LOST, text)
    text = "all devices of the wave went away; others take their place"
    return wait(Reason.DEVICES_LOST, text, replaced_at(scene))


def reports_do_not_come(scene: Scene) -> Word | None:
    """When devices that have nothing to do with the release are as silent, it is the way to the operator."""
    silent, others = _silent(scene.within), _silent(scene.outside)
    if len(silent) <= _missed(scene) or not others:
        return None
    if len(others) * len(scene.within) < len(silent) * len(scene.outside):
        return None
    text = f"{len(silent) + len(others)} devices that the cluster can reach do not report, in and outside the wave"
    return wait(Reason.REPORTS_UNAVAILABLE, f"{text}; look at the network between them and the operator")


def they_do_not_report(scene: Scene) -> Word | None:
    silent = _silent(scene.within)
    if len(silent) <= _missed(scene) and len(silent) < len(scene.within):
        return None
    text = f"{_share(silent, scene.within)} have not reported for {scene.limits.grace:.0f} s{_quoted(silent)}"
    return wait(Reason.DEVICES_SILENT, text, deadline(scene))


def they_are_on_their_way(scene: Scene) -> Word | None:
    """Once they had arrived, a device that was away and catches up again holds nobody up."""
    late = [member for member in scene.within if member.state not in ("updated", "failed") or member.silent]
    allowed = max(_missed(scene), 1 if scene.standing.soak_ends is not None else 0)
    if len(late) <= allowed and len(late) < len(scene.within):
        return None
    lacking = [member for member in late if member.reason == Reason.IMAGE_NOT_PULLED]
    reason = Reason.IMAGE_NOT_PULLED if lacking else Reason.WAITING_FOR_DEVICES
    text = f"{_share(late, scene.within)} are on their way{_quoted(lacking or late)}"
    return wait(reason, text, deadline(scene))


def _missed(scene: Scene) -> int:
    """Devices of the wave that need not be there: maxUnavailable, rounded down; at least one after the deadline."""
    share = len(scene.within) * scene.limits.max_unavailable // 100
    return max(share, 1) if scene.now >= deadline(scene) else share


def it_soaks(scene: Scene) -> Word | None:
    if skipped(scene):
        return None
    ends = scene.standing.soak_ends
    ends = scene.now + scene.limits.soak if ends is None else ends
    return wait(Reason.SOAKING, "its devices serve it; it soaks", ends) if scene.now < ends else None


def it_has_shown_too_little(scene: Scene) -> Word | None:
    lacking = _lacking(scene)
    if not lacking or skipped(scene):
        return None
    return too_little(scene, Reason.TOO_FEW_REQUESTS, f"too few requests for {lacking}")


def _lacking(scene: Scene) -> str:
    """What minRequests asks for: so many requests, and that every gate can be judged by them; empty: nothing lacks."""
    limits, seen = scene.limits, scene.behaviour
    if not limits.min_requests:
        return ""
    asked = {
        "errorRate": limits.error_rate is not None and seen.error_rate is None,
        "latencyRatio": limits.latency_ratio is not None and seen.latency_ratio is None,
        "confidenceShift": limits.confidence_shift is not None and seen.confidence_shift is None,
        f"minRequests ({seen.counted} of {limits.min_requests})": seen.counted < limits.min_requests,
    }
    return ", ".join(name for name, lacks in asked.items() if lacks)


def replaced_at(scene: Scene) -> float:
    """When a wave whose devices have all gone takes others: they had time to come back."""
    return scene.standing.since + max(scene.limits.soak, scene.limits.grace)


CHECKS: tuple[Check, ...] = (
    too_many_failed,  # devices that tried and could not, or came back from it
    a_whole_profile_failed,  # however few they are
    errors_are_plainly_too_many,
    it_is_plainly_too_slow,
    it_plainly_answers_differently,
    queries.stay_above,
    it_is_paused,  # by a person
    queries.cannot_be_asked,
    the_operator_listens,
    all_of_it_is_away,
    reports_do_not_come,  # not the release's fault
    they_do_not_report,
    they_are_on_their_way,
    it_soaks,
    it_has_shown_too_little,  # requests, or the test instead of them
    it_is_not_good_enough,
    queries.are_not_answered,  # or not as they should be
)


def _silent(members: Sequence[Member]) -> list[Member]:
    return [member for member in members if member.silent]


def _share(some: Sequence[Member], of: Sequence[Member]) -> str:
    return f"{len(some)} of {len(of)} devices"


def _quoted(members: Sequence[Member], limit: int = 3) -> str:
    """Some of their names, and what one of them says."""
    more = f" and {len(members) - limit} more" if len(members) > limit else ""
    said = next((f": {member.says}" for member in members if member.says), "")
    return f" ({', '.join(member.name for member in members[:limit])}{more}){said}"


def _where(scene: Scene, figure: str) -> str:
    found = scene.behaviour.where.get(figure, "")
    return f" ({found})" if found else ""


def _percent(share: float) -> str:
    return f"{three_digits(share * 100)} %"
