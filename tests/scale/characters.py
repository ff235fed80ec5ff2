"""How a simulated device behaves, version by version of its model: one plain function for each way to be.

A version is what a person wrote into the EdgeModel. Given to machines by the tests and benches of the swarm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from edgewise.api.names import Reason
from edgewise.contract.report import Report
from edgewise_runtime.agent.failure import Failure

QUICK = 0.05
"""Seconds that a healthy device takes to load a small model it has already fetched."""
LATENCY = 0.005
"""Seconds of a request to a healthy device."""


def _quick(_: str) -> float:
    return QUICK


def _always_right(_: str) -> float:
    return 0.0


def _frank(report: Report) -> Report | None:
    return report


@dataclass(frozen=True)
class Character:
    """What can be wrong with a device."""

    load: Callable[[str], float] = _quick
    """Version -> seconds that fetching and loading it takes; Failure where it does not load."""
    failing: Callable[[str], float] = _always_right
    """Version -> share of requests that get an error of ours."""
    latency: Callable[[str], float] = lambda _: LATENCY
    """Version -> seconds of a request."""
    say: Callable[[Report], Report | None] = _frank
    """The truth -> what it tells the operator; None: nothing, from now on."""


HEALTHY = Character()


def slow_to_load(seconds: float) -> Character:
    return Character(load=lambda _: seconds)


def cannot_load(version: str) -> Character:
    return Character(load=_refusing(version, Failure(Reason.LOAD_FAILED, "the file is no ONNX model", "digits")))


def gives_wrong_outputs(version: str) -> Character:
    """Its self test finds out, before it would serve."""
    failure = Failure(Reason.SELF_TEST_FAILED, "output logits differs from the golden one by 3.1 (tolerance 0.001)")
    return Character(load=_refusing(version, failure))


def errs(version: str, share: float = 1.0) -> Character:
    """So many of the requests to that version fail."""
    return Character(failing=lambda served: share if served == version else 0.0)


def slows_down(version: str, factor: float = 3.0) -> Character:
    """Requests to that version take so much longer."""
    return Character(latency=lambda served: LATENCY * (factor if served == version else 1.0))


def falls_silent(version: str) -> Character:
    """Serves that version, and never reports again."""
    return Character(say=lambda report: None if _tells_of(report, version) else report)


def lies(version: str) -> Character:
    """Of that version it claims a billion requests, all of them failed."""

    def lie(report: Report) -> Report:
        boast = {"requests": 10**9, "failures": 10**9}
        told = {release: counted.model_copy(update=boast) for release, counted in report.counters.items()}
        return report.model_copy(update={"counters": told}) if _tells_of(report, version) else report

    return replace(HEALTHY, say=lie)


def _tells_of(report: Report, version: str) -> bool:
    return report.serving == report.release and any(model.version == version for model in report.models)


def _refusing(version: str, failure: Failure) -> Callable[[str], float]:
    def load(wanted: str) -> float:
        if wanted == version:
            raise failure
        return QUICK

    return load
