"""Where a model's answers say how sure they are: which output, read by which method. Worked out once, as it is loaded.

The numbers themselves are those of edgewise.contract.scores, which `kubectl edgewise calibrate` uses, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgewise.api.confidence import Confidence, Task, measured_by
from edgewise.api.names import Reason
from edgewise.contract.scores import row_confidences
from edgewise_runtime.engines.base import Array, ModelLoadError, TensorSpec
from edgewise_runtime.protocol.datatypes import BYTES

_SCORES = ("score", "scores")  # of boxes: ours, and what detectors call them that give boxes by themselves
_PICTURE = "image"  # output of ours that says which of a request's pictures a box was found in
_REAL = ("FP16", "FP32", "FP64", "BF16")


@dataclass(frozen=True)
class Sureness:
    """How sure a model's answers are."""

    confidence: Confidence
    """With its method."""
    spec: TensorSpec
    """Of the output that is read."""
    found_in: str = ""
    """Output that says which of the request's rows each value belongs to; empty: value n to row n."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """What `of` needs."""
        return (self.spec.name, self.found_in) if self.found_in else (self.spec.name,)

    def of(self, outputs: Mapping[str, Array], rows: int) -> float:
        """Of the whole answer: that of the least sure of the `rows` that were asked about."""
        values = outputs[self.spec.name]
        if self.spec.quantization is not None and values.dtype.kind in "iu":
            values = self.spec.quantization.real(values)
        if self.found_in:
            found = outputs[self.found_in]
            of_rows = (row_confidences(values[found == row][None], self.confidence) for row in range(rows))
            return float(min((least.min() for least in of_rows), default=0.0))
        return float(row_confidences(values, self.confidence).min())


def sureness_of(
    task: Task, given: Confidence | None, public: Sequence[TensorSpec], hidden: Sequence[TensorSpec] = ()
) -> Sureness | None:
    """Of a model with these outputs; `hidden`: its own ones, where steps make others of them. None: nobody can tell.

    ModelLoadError where `given` names an output that is not there or holds no numbers, or names none and it is not
    plain which one is meant."""
    confidence = measured_by(task, given)
    if confidence is None:
        return None
    specs = {spec.name: spec for spec in (*public, *hidden)}
    spec = specs.get(confidence.output) if confidence.output else _usual(task, public, hidden)
    if spec is None or spec.datatype == BYTES:
        if given is None:
            return None
        what = f"{confidence.output!r} is no numeric output" if confidence.output else "must name one of the outputs"
        raise ModelLoadError(Reason.LOAD_FAILED, f"confidence.output {what}: {sorted(specs)}")
    boxes = task == "Detection" and _PICTURE in specs and spec.shape == specs[_PICTURE].shape == (-1,)
    return Sureness(confidence, spec, _PICTURE if boxes else "")


def _usual(task: Task, public: Sequence[TensorSpec], hidden: Sequence[TensorSpec]) -> TensorSpec | None:
    """The output to read where nobody says which; None where that is not plain."""
    if task == "Detection":
        return next((spec for spec in (*public, *hidden) if spec.name in _SCORES), None)
    real = [spec for spec in hidden or public if spec.datatype in _REAL or spec.quantization is not None]
    return real[0] if len(real) == 1 else None
