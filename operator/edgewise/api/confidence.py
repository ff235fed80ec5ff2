"""How sure a model is of an answer: what an EdgeModel says of it, and what its task says where it says nothing."""

from __future__ import annotations

from typing import Literal

from edgewise.api.base import Decimal, Model, Rule, SignedDecimal, Word

Task = Literal["Classification", "Detection", "Segmentation", "Regression", "Anomaly", "Embedding", "Other"]
Method = Literal["SoftmaxMax", "Margin", "Entropy", "Score", "None"]


class Confidence(Model):
    """How sure the model is, read from one of its outputs. Used by escalation and by rollout gates."""

    output: Word = ""
    """Name of the output tensor, shape [batch, classes] or [batch]. Empty: the only one with real numbers; of a
    Detection model, the one called score or scores."""
    method: Method | None = None
    """SoftmaxMax, Margin and Entropy take class scores (logits or probabilities), Score the best value of a row; None:
    nobody can tell. Unset: SoftmaxMax; with a threshold, and for Detection, Anomaly, Regression, Embedding: Score."""
    temperature: Decimal = "1.0"
    """Divides the logits before softmax; above 1 makes an over-confident model more modest."""
    threshold: SignedDecimal | None = None
    """Score only: where normal ends and anomaly, or object, begins. The answer is then as sure as its score lies far
    from it, 1 / (1 + exp(-|score - threshold| / temperature)), from 0.5 up; else the score itself says how sure."""

    rules = (
        Rule(
            "temperature must be above 0",
            "self.temperature.matches('[1-9]')",
            lambda self: any(digit in "123456789" for digit in self.temperature),
        ),
        Rule(
            "threshold is for method Score",
            "!has(self.threshold) || !has(self.method) || self.method == 'Score'",
            lambda self: self.threshold is None or self.method in (None, "Score"),
        ),
    )


def measured_by(task: Task, given: Confidence | None) -> Confidence | None:
    """`given` with its method; where a model says nothing, what its task is read by. None: nobody can tell how sure an
    answer is, so that help is for overload and unavailability only."""
    if given is None:
        usual = _BY_ITSELF.get(task)
        return None if usual is None else Confidence(method=usual)
    method = given.method or ("Score" if given.threshold is not None else _USUAL[task])
    return None if method == "None" else given.model_copy(update={"method": method})


_BY_ITSELF: dict[Task, Method] = {"Classification": "SoftmaxMax", "Detection": "Score"}
_USUAL: dict[Task, Method] = {
    "Classification": "SoftmaxMax",
    "Detection": "Score",
    "Segmentation": "SoftmaxMax",
    "Regression": "Score",
    "Anomaly": "Score",
    "Embedding": "Score",
    "Other": "SoftmaxMax",
}
