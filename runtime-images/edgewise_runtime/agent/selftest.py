"""Runs a model's golden data through it as it is loaded, processing and all, before anybody depends on its answers.

Called by agent/loading.py, in its thread. A model that computes something else on this device's hardware than where it
was made is found out here, and nowhere else before a customer sees it.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewise.api.edgemodel import SelfTest
from edgewise.api.names import Reason
from edgewise_runtime.agent import golden
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.golden import Golden, GoldenError
from edgewise_runtime.engines.base import Array, Session, first_line
from edgewise_runtime.engines.traits import traits_of
from edgewise_runtime.errors import shown
from edgewise_runtime.protocol.datatypes import BYTES, dtype_of

log = logging.getLogger(__name__)

MOST_SECONDS = 60.0  # of all runs together, looked at between two: a device that needs more would never get ready


@dataclass
class _Findings:
    """Of all runs so far."""

    met: int = 0
    """Labels."""
    labels: int = 0
    off: str = ""
    """The largest difference beyond the tolerance, in words; empty: there is none."""
    by: float = -1.0

    def note(self, difference: str, by: float) -> None:
        """Keeps the largest."""
        if by > self.by:
            self.off, self.by = difference, by


def check(session: Session, test: SelfTest, data: Path | str) -> None:
    """Failure (SelfTestFailed) where the answers are not the golden ones; the message is the evidence."""
    began = time.monotonic()
    try:
        expected = golden.read(data)
        _fits(session, expected, test)
        findings = _Findings()
        for feeds, wanted in _runs(session, expected):
            _run(session, feeds, wanted, float(test.tolerance), findings)
            if time.monotonic() - began > MOST_SECONDS:
                raise GoldenError(f"it takes longer than {MOST_SECONDS:.0f} s on this device; give it less data")
    except GoldenError as error:
        raise Failure(Reason.SELF_TEST_FAILED, f"the self test cannot be run: {error}") from error
    _judge(findings, test)
    log.info("the self test is passed", extra={"seconds": round(time.monotonic() - began, 3)})


def _fits(session: Session, expected: Golden, test: SelfTest) -> None:
    """GoldenError where data and model do not speak of the same tensors."""
    inputs = {spec.name for spec in session.inputs}
    if expected.inputs.keys() != inputs:
        raise GoldenError(f"its inputs are {_listed(expected.inputs)}, the model's {_listed(inputs)}")
    outputs = {spec.name for spec in (*session.outputs, *traits_of(session).hidden)}
    if unknown := (expected.outputs.keys() | expected.labels.keys()) - outputs:
        raise GoldenError(f"the model has no output {_listed(unknown)}; there is {_listed(outputs)}")
    if test.min_accuracy is not None and not expected.labels:
        raise GoldenError("minAccuracy needs labels, and its data have none")


def _runs(session: Session, expected: Golden) -> Iterator[tuple[dict[str, Array], Golden]]:
    """The data, cut into runs of as many rows as the model takes at once, where it takes a fixed number."""
    at_once = {spec.shape[0] for spec in session.inputs if spec.shape and spec.shape[0] > 0}
    everything = (*expected.inputs.values(), *expected.outputs.values(), *expected.labels.values())
    rows = {array.shape[0] if array.shape else 0 for array in everything}
    if len(at_once) != 1 or len(rows) != 1 or not all(spec.shape for spec in session.inputs):
        yield expected.inputs, expected
        return
    step, all_rows = at_once.pop(), rows.pop()
    if all_rows % step:
        raise GoldenError(f"the model takes {step} rows at once, and its data have {all_rows}")
    for start in range(0, all_rows, step):
        part = slice(start, start + step)
        cut = [{name: array[part] for name, array in arrays.items()} for arrays in _parts(expected)]
        yield cut[0], Golden(*cut)


def _parts(expected: Golden) -> tuple[dict[str, Array], ...]:
    return expected.inputs, expected.outputs, expected.labels


def _run(session: Session, feeds: dict[str, Array], wanted: Golden, tolerance: float, findings: _Findings) -> None:
    names = list(dict.fromkeys((*wanted.outputs, *wanted.labels)))
    try:
        answers = dict(zip(names, session.run(_typed(session, feeds), names), strict=True))
    except Exception as error:  # whatever an engine throws
        raise GoldenError(f"the model does not run on its data: {first_line(error)}") from error
    for name, array in wanted.outputs.items():
        _compare(name, answers[name], array, tolerance, findings)
    for name, labels in wanted.labels.items():
        _count(name, answers[name], labels, findings)


def _typed(session: Session, feeds: dict[str, Array]) -> dict[str, Array]:
    """.npz files are often written in a wider type than the model takes."""
    typed = {}
    for spec in session.inputs:
        array = feeds[spec.name]
        if (spec.datatype == BYTES) != array.dtype.hasobject:
            raise GoldenError(f"input {spec.name} takes {spec.datatype}, and its data hold {array.dtype}")
        typed[spec.name] = array if spec.datatype == BYTES else np.ascontiguousarray(array, dtype_of(spec.datatype))
    return typed


def _compare(name: str, got: Array, wanted: Array, tolerance: float, findings: _Findings) -> None:
    if got.shape != wanted.shape:
        findings.note(f"output {name} has shape {list(got.shape)} instead of {list(wanted.shape)}", math.inf)
        return
    if got.dtype.hasobject or wanted.dtype.hasobject:
        differs = np.asarray(got != wanted, bool)
        distance = np.where(differs, np.inf, 0.0)
    else:
        differs, distance = _apart(got, wanted, tolerance)
    if differs.any():
        worst = int(np.where(differs, distance, -1.0).argmax())
        place = [int(index) for index in np.unravel_index(worst, got.shape)]
        values = f"{_word(got.flat[worst])} instead of {_word(wanted.flat[worst])} at {place}"
        count = f"{int(differs.sum())} of {got.size} values"
        findings.note(f"output {name}, {count}: {values}", float(distance.flat[worst]))


def _apart(got: Array, wanted: Array, tolerance: float) -> tuple[Array, Array]:
    """Where numbers differ by more than is allowed; and by how much. NaN is equal to NaN."""
    ours, theirs = got.astype(np.float64), wanted.astype(np.float64)
    with np.errstate(invalid="ignore"):
        distance = np.abs(ours - theirs)
        allowed = tolerance + tolerance * np.abs(theirs)
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs)) | (distance <= allowed)
    return ~same, np.nan_to_num(distance, nan=np.inf)


def _count(name: str, got: Array, labels: Array, findings: _Findings) -> None:
    """A row's answer is the index of its highest score; of texts and class numbers, which come best first, that."""
    rows = labels.size
    if rows == 0 or got.size % rows:
        findings.note(f"output {name} has shape {list(got.shape)}, and there are {rows} labels", math.inf)
        return
    answers = got.reshape(rows, -1)
    ranked = got.dtype.hasobject or answers.shape[1] == 1 or (got.dtype.kind in "iu" and got.dtype.itemsize >= 4)
    found = answers[:, 0] if ranked else answers.argmax(axis=1)
    findings.met += int(np.asarray(found == labels.ravel(), bool).sum())
    findings.labels += rows


def _judge(findings: _Findings, test: SelfTest) -> None:
    if findings.off:
        apart = f"; {findings.by:.3g} apart, {test.tolerance} is allowed" if math.isfinite(findings.by) else ""
        raise Failure(Reason.SELF_TEST_FAILED, f"the self test failed: {findings.off}{apart}")
    if test.min_accuracy is not None and findings.met < float(test.min_accuracy) * findings.labels:
        message = f"{findings.met} of {findings.labels} labels were met; minAccuracy is {test.min_accuracy}"
        raise Failure(Reason.SELF_TEST_FAILED, f"the self test failed: {message}")


def _word(value: object) -> str:
    return shown(value.decode("utf-8", "replace")) if isinstance(value, bytes) else f"{value:.6g}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
