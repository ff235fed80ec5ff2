"""Questions to a Prometheus as a gate: how they are asked, when, and what their answers come to.

Nobody is asked here: controller/inquiries.py asks what `wanted` says, every few seconds, and the answers come with the
next look. Called by gates.py (the checks) and by core/deployment/rolloutscene.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.names import Reason
from edgewise.api.rollout import Query
from edgewise.api.units import three_digits
from edgewise.core.observed import Answer
from edgewise.core.rollout.scene import Inquiry, Scene, Word
from edgewise.core.rollout.words import against, deadline, skipped, stuck, too_little, wait

IN_A_ROW = 3
"""Answers above max that convict a release: one may be a scrape that came late, or a spike."""

_PLACEHOLDER = re.compile(r"\{\{ *(namespace|name|release) *\}\}")


def wanted(deployment: EdgeDeployment) -> list[str]:
    """What is to be asked for it now, as it is asked: nothing unless a release, or changed pods, go by waves."""
    gates, going = deployment.spec.rollout.gates, deployment.status.rollout
    known = deployment.status.release
    if gates is None or going is None or going.release is None or known is None or known.target != going.release:
        return []
    if {going.release, going.pods} & {*(known.rejected or ())}:
        return []
    return [as_asked(query, deployment, going.release) for query in gates.query]


def inquiries(
    deployment: EdgeDeployment, release: str, answers: Mapping[str, tuple[Answer, ...]], since: float
) -> tuple[Inquiry, ...]:
    """With what was answered since then."""
    gates = deployment.spec.rollout.gates
    asked = [(query, as_asked(query, deployment, release)) for query in (gates.query if gates is not None else ())]
    return tuple(
        Inquiry(query.name, float(query.max), tuple(answer for answer in answers.get(text, ()) if answer.at > since))
        for query, text in asked
    )


def as_asked(query: Query, deployment: EdgeDeployment, release: str) -> str:
    """With its placeholders filled in. Names and releases are of a-z, 0-9, dot and dash: a quoted label value holds
    them as they are."""
    values = {"namespace": deployment.metadata.namespace, "name": deployment.metadata.name, "release": release}
    return _PLACEHOLDER.sub(lambda found: values[found[1]], query.promql)


def stay_above(scene: Scene) -> Word | None:
    """Before the end and at it: several answers in a row."""
    for inquiry in scene.inquiries:
        above = [told for answer in inquiry.answers[-IN_A_ROW:] if (told := _above(inquiry, answer))]
        if len(above) == IN_A_ROW:
            return against(scene, Reason.QUERY_ABOVE_MAX, f"{above[-1]}, {IN_A_ROW} times in a row")
    return None


def cannot_be_asked(scene: Scene) -> Word | None:
    """A person must act: told before anybody has the release where that is known so early."""
    if skipped(scene):
        return None
    if scene.inquiries and not scene.prometheus:
        names = ", ".join(inquiry.name for inquiry in scene.inquiries)
        text = f"gates.query ({names}) asks a Prometheus, and the operator knows none"
        return Word("stuck", Reason.NO_PROMETHEUS, f"{text}: set prometheus.url of its chart, or take gates.query out")
    for inquiry in scene.inquiries:
        if inquiry.answers and inquiry.answers[-1].mistaken:
            text = f"query {inquiry.name} is wrong: {inquiry.answers[-1].problem}; correct it in gates.query"
            return Word("stuck", Reason.QUERY_INVALID, text)
    return None


def are_not_answered(scene: Scene) -> Word | None:
    """At the end: each must have been answered after the soak, and be at or below its max."""
    if skipped(scene):
        return None
    words = (_lacks(scene, inquiry) for inquiry in scene.inquiries)
    return next((word for word in words if word is not None), None)


def _lacks(scene: Scene, inquiry: Inquiry) -> Word | None:
    ended = scene.standing.since if scene.standing.soak_ends is None else scene.standing.soak_ends
    last = inquiry.answers[-1] if inquiry.answers else None
    if last is None or last.at < ended:
        return wait(Reason.QUERY_UNANSWERED, f"query {inquiry.name} is about to be asked")
    if last.problem:
        text = f"query {inquiry.name} has no answer: {last.problem}"
        overdue = scene.now >= deadline(scene)
        return stuck(scene, Reason.QUERY_UNANSWERED, text) if overdue else wait(Reason.QUERY_UNANSWERED, text)
    if last.value is None:
        return too_little(scene, Reason.QUERY_UNANSWERED, f"no number answers query {inquiry.name}")
    above = _above(inquiry, last)
    return wait(Reason.QUERY_ABOVE_MAX, f"{above}; it is asked again") if above else None


def _above(inquiry: Inquiry, answer: Answer) -> str:
    """By how much; empty: it is not."""
    if answer.value is None or answer.value <= inquiry.max:
        return ""
    where = f" ({answer.where})" if answer.where else ""
    return f"query {inquiry.name} is {figure(answer.value)}{where}; max allows {figure(inquiry.max)}"


def figure(value: float) -> str:
    """For people; Prometheus knows infinities."""
    return three_digits(value) if isfinite(value) else f"{value:+}"
