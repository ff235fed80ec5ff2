"""One step of a pipeline at work: what it gets from the step before, and what its model says to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from edgewise.api.pipeline import REQUEST, PipelineStep, When
from edgewise_runtime.engines.base import Array, Session, TensorSpec
from edgewise_runtime.engines.traits import traits_of
from edgewise_runtime.pipeline import batches, cutting
from edgewise_runtime.processing.intake import Intake
from edgewise_runtime.processing.readers import IMAGE
from edgewise_runtime.processing.session import ProcessedSession

ITEM = "item"
MOST = 1000  # items of one step in one request

Feeds = Mapping[str, Array]


@dataclass(frozen=True)
class Passage:
    """What a step got and gave; those after it read on from here."""

    outputs: Mapping[str, Array]
    images: Sequence[Image.Image] = field(default_factory=tuple)


@dataclass(frozen=True)
class Stage:
    """A step with its model. `wires`: where its model's inputs come from, of a step that goes on from tensors."""

    step: PipelineStep
    session: Session
    wires: Mapping[str, str] = field(default_factory=dict)

    @property
    def specs(self) -> tuple[TensorSpec, ...]:
        """All that it can give, the model's own tensors included; `item` apart."""
        return (*self.session.outputs, *traits_of(self.session).hidden)

    @property
    def intake(self) -> Intake | None:
        """Of a model that takes pictures."""
        return self.session.intake if isinstance(self.session, ProcessedSession) else None

    @property
    def looks(self) -> bool:
        """Whether it takes the request's own pictures."""
        return self.intake is not None and self.step.source == REQUEST

    @property
    def asks(self) -> tuple[TensorSpec, ...]:
        """Inputs that come from the request as they are: neither pictures, nor what the step before gives."""
        filled = {*self.wires, self.intake.spec.name} if self.intake else set(self.wires)
        return tuple(spec for spec in self.session.inputs if spec.name not in filled)

    def needs(self) -> set[str]:
        """Outputs of the step before that this one reads."""
        needed = set(self.wires.values())
        if self.step.crop:
            needed |= {self.step.crop, IMAGE}
        if self.step.turn:
            needed |= {"label", "score"}
        if self.step.when:
            needed |= {"score", "label"} if self.step.when.labels else {"score"}
        return needed

    def after(self, before: Passage, feeds: Feeds, names: Sequence[str]) -> Passage:
        """A step on what `before` came to; `item` says which of its rows each row belongs to."""
        items = _chosen(before, self.step.when, self.step.crop)
        if self.intake is not None:
            passage = self.on(self._images(before, items), feeds, names)
        else:
            wired = {name: before.outputs[output][items] for name, output in self.wires.items()}
            passage = self.on((), {**feeds, **wired}, names)
        return Passage({**passage.outputs, ITEM: items}, passage.images)

    def on(self, images: Sequence[Image.Image], feeds: Feeds, names: Sequence[str]) -> Passage:
        """Outputs `names` of these pictures, where its model takes pictures, and of those of `feeds` that it takes."""
        mine = {spec.name: feeds[spec.name] for spec in self.session.inputs if spec.name in feeds}
        if isinstance(self.session, ProcessedSession) and self.session.intake is not None:
            return Passage(batches.run(self.session, images, mine, names), images)
        if any(not len(array) for array in mine.values() if array.ndim):
            return Passage({spec.name: batches.empty(spec) for spec in self.specs if spec.name in names})
        return Passage(dict(zip(names, self.session.run(mine, names), strict=True)))

    def _images(self, before: Passage, items: Array) -> list[Image.Image]:
        if self.step.crop:
            of = before.outputs[IMAGE][items]
            return cutting.pieces(before.images, of, before.outputs[self.step.crop][items])
        images = [before.images[item] for item in items.tolist()]
        if self.step.turn is None:
            return images
        sure = _first(before.outputs["score"])[items] >= float(self.step.turn.min_score)
        labels = _first(before.outputs["label"])[items]
        return [
            cutting.turned(image, label.decode() if yes else "")
            for image, label, yes in zip(images, labels, sure, strict=True)
        ]


def _chosen(before: Passage, when: When | None, crop: str) -> Array:
    """Rows of `before` that are worth the next step, at most MOST."""
    count = len(before.outputs[crop]) if crop else len(before.images) or _rows(before.outputs)
    chosen = np.ones(count, bool)
    if when is not None:
        chosen &= _first(before.outputs["score"]) >= float(when.min_score)
        if when.labels:
            wanted = {label.encode() for label in when.labels}
            chosen &= np.array([label in wanted for label in _first(before.outputs["label"])], bool)
    return np.flatnonzero(chosen)[:MOST].astype(np.int64)


def _rows(outputs: Mapping[str, Array]) -> int:
    return max((len(array) for array in outputs.values() if array.ndim), default=0)


def _first(array: Array) -> Array:
    """The best of each row, where a row has several."""
    return array[:, 0] if array.ndim > 1 else array
