"""Pipeline: a chain of a deployment's models that answers as one. Part of EdgeDeployment.

What one object can tell is a rule here; what the steps' EdgeModels have to do with it is contract/chains.py's.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgewise.api.base import DnsLabel, Duration, Fraction, Model, Rule, Word, atomic, exactly_one

REQUEST = "request"


class When(Model):
    """Which items of the step before are worth this one. All that is said must hold."""

    min_score: Fraction = "0"
    labels: Annotated[list[Word], atomic(64)] = Field(default_factory=list)
    """Empty: any."""


class Turn(Model):
    """Pictures are turned upright first: the label of the step before says by how many degrees (0, 90, 180, 270) each
    stands turned."""

    min_score: Fraction = "0.9"
    """Less sure ones stay as they are."""


class Track(Model):
    """Follows boxes from picture to picture: `id` INT64, the same for what is the same thing. The pipeline then takes
    one more input, `sequence` INT64 [1], which says what camera a picture is from; ids begin anew with each release,
    and on each device."""

    iou: Fraction = "0.3"
    """A box of the same class that overlaps with where a thing was last by at least so much (intersection over union)
    is that thing."""
    patience: Duration = "1s"
    """How long a thing may be out of sight and keep its id."""


class PipelineStep(Model):
    """One model of the chain. Its outputs are called `<name>.<output>`; where it works on what another step found,
    `<name>.item` says on which: the row in that step's outputs."""

    name: DnsLabel
    model: DnsLabel | None = None
    """One of spec.models."""
    track: Track | None = None
    """Instead of a model: follows the boxes of `from`. No step can go on from it."""
    source: Annotated[DnsLabel, Field(alias="from")] = REQUEST
    """An earlier step, or `request`. Without crop this step gets the same pictures as that one, or, where its model
    takes tensors, that one's outputs (by name, or the only one)."""
    crop: Word = ""
    """Output of `from` that holds boxes or quads: this step gets what they cut out of its pictures, up to 1,000 of
    them, in batches."""
    turn: Turn | None = None
    when: When | None = None

    rules = (
        exactly_one("model", "track"),
        Rule("name must not be `request`", f"self.name != '{REQUEST}'", lambda self: self.name != REQUEST),
        Rule(
            "crop, turn, when and track need an earlier step in from",
            f"self.from != '{REQUEST}' || (self.crop == '' && !has(self.turn) && !has(self.when) && !has(self.track))",
            lambda self: self.source != REQUEST or not (self.crop or self.turn or self.when or self.track),
        ),
        Rule(
            "track follows all boxes as they are: it goes without crop, turn and when",
            "!has(self.track) || (self.crop == '' && !has(self.turn) && !has(self.when))",
            lambda self: self.track is None or not (self.crop or self.turn or self.when),
        ),
        Rule(
            "turn needs pictures that another step saw: it goes without crop",
            "!has(self.turn) || self.crop == ''",
            lambda self: self.turn is None or not self.crop,
        ),
    )


STEPS = 8
Pipeline = Annotated[list[PipelineStep], atomic(STEPS)]


def names_are_unique(steps: list[PipelineStep]) -> bool:
    return len({step.name for step in steps}) == len(steps)


def _may_follow(index: int) -> str:
    """CEL: the step at `index`, if there is one, reads the request or a step before it."""
    names = "".join(f", self.pipeline[{before}].name" for before in range(index))
    return f"(self.pipeline.size() <= {index} || self.pipeline[{index}].from in ['{REQUEST}'{names}])"


FOLLOWS_EARLIER_STEPS = " && ".join(_may_follow(index) for index in range(STEPS))
"""Written out for each place in the list: CEL has no index in its macros, and a search in a search costs too much."""


def follows_earlier_steps(steps: list[PipelineStep]) -> bool:
    """Every `from` names a step before its own, so there can be no cycle."""
    names = [step.name for step in steps]
    return all(step.source in (REQUEST, *names[:index]) for index, step in enumerate(steps))


def nothing_follows_a_tracker(steps: list[PipelineStep]) -> bool:
    trackers = {step.name for step in steps if step.track is not None}
    return not any(step.source in trackers for step in steps)
