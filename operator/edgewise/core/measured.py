"""How fast the builds are on each profile's devices: read from reports, kept in the status, so that it outlasts both.

A record is the median of the profile's devices, once enough of them have spoken: one slow device does not sway a fleet.
It moves only when the devices say something clearly different: a build that was judged by it is not judged anew for a
few percent, and nothing flaps. Records are known by the file's content, so a new version starts unmeasured.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping

from edgewise.api.edgedeployment import Measurement
from edgewise.api.units import in_milliseconds, milliseconds, three_digits
from edgewise.contract.report import ModelReport
from edgewise.core.matching import LatencyOf
from edgewise.core.observed import ObservedDeployment
from edgewise.core.progress import reachable

QUORUM = 3
"""Devices that must have measured a build before their median counts; all that can be reached, where they are fewer."""
CLEARLY = 0.2
"""Share by which a new median must differ from the record to replace it: twice what two starts of one device differ."""
PREFIX = 12
"""Hex digits of a file's sha256 that a record bears."""

Records = Mapping[str, Mapping[str, Measurement]]
"""{profile: {first PREFIX digits of a file's sha256: record}}."""


def records(observed: ObservedDeployment) -> Records:
    """What is on record, with the present reports taken in."""
    known = _recorded(observed)
    for profile, said in _reported(observed).items():
        enough = min(QUORUM, _devices(observed, profile))
        for content, measurements in said.items():
            if 0 < enough <= len(measurements):
                known[profile][content] = _newer(known[profile].get(content), measurements)
    return known


def latency_of(found: Records, profile: str) -> LatencyOf:
    """As matching.py asks for it."""

    def latency(sha256: str) -> float | None:
        record = found.get(profile, {}).get(sha256[:PREFIX])
        return milliseconds(record.fastest) if record is not None else None

    return latency


def kept(found: Records, profile: str, builds: Iterable[tuple[str, str, str]]) -> list[Measurement]:
    """The records of these builds (model, variant, sha256), in their order: the others are of files nobody wants."""
    known = found.get(profile, {})
    return [
        known[sha256[:PREFIX]].model_copy(update={"model": model, "variant": variant})
        for model, variant, sha256 in dict.fromkeys(builds)
        if sha256[:PREFIX] in known
    ]


def _recorded(observed: ObservedDeployment) -> defaultdict[str, dict[str, Measurement]]:
    known = defaultdict[str, dict[str, Measurement]](dict)
    for profile in observed.deployment.status.profiles or ():
        known[profile.name] = {record.sha256: record for record in profile.measured or ()}
    return known


def _reported(observed: ObservedDeployment) -> Mapping[str, Mapping[str, list[Measurement]]]:
    """{profile: {content: one measurement a device}}, of the releases that the plan holds."""
    said = defaultdict[str, defaultdict[str, list[Measurement]]](lambda: defaultdict(list))
    contents = _contents(observed)
    for received in observed.reports.values():
        report = received.report
        for model in report.models if report.serving == report.release else ():
            content = contents.get((report.release, model.name, model.variant))
            if content and (measurement := _measurement(model, content)) is not None:
                said[report.profile][content].append(measurement)
    return said


def _measurement(model: ModelReport, content: str) -> Measurement | None:
    if not model.latency or not model.fastest or not model.throughput:
        return None
    return Measurement(
        model=model.name,
        variant=model.variant,
        sha256=content,
        latency=in_milliseconds(model.latency),
        fastest=in_milliseconds(model.fastest),
        throughput=three_digits(model.throughput),
        devices=1,
    )


def _contents(observed: ObservedDeployment) -> dict[tuple[str, str, str], str]:
    """(release, model, variant) -> content."""
    releases = observed.plan.releases if observed.plan is not None else []
    return {
        (release.name, model.name, build.variant): build.source.sha256[:PREFIX]
        for release in releases
        for model in release.models
        for build in model.builds
    }


def _devices(observed: ObservedDeployment, profile: str) -> int:
    """Pods of the profile that could speak."""
    online = reachable(observed)
    return sum(pod.profile == profile and not pod.deleting and pod.node in online for pod in observed.pods)


def _newer(record: Measurement | None, said: list[Measurement]) -> Measurement:
    latency = statistics.median(milliseconds(one.latency) for one in said)
    fastest = statistics.median(milliseconds(one.fastest) for one in said)
    if record is not None and not _differs(latency, record.latency) and not _differs(fastest, record.fastest):
        return record
    return said[0].model_copy(
        update={
            "latency": in_milliseconds(latency),
            "fastest": in_milliseconds(fastest),
            "throughput": three_digits(statistics.median(float(one.throughput) for one in said)),
            "devices": len(said),
        }
    )


def _differs(median: float, record: str) -> bool:
    before = milliseconds(record)
    return abs(median - before) > CLEARLY * before
