"""What a pipeline's steps need of the models before them. Pure; the operator asks before it plans, the runtime at load.

The rules of api/pipeline.py have held already: names are unique, every `from` is an earlier step with a model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edgewise.api.pipeline import REQUEST, PipelineStep
from edgewise.api.processing import Processing

CORNERS = {"boxes": "nms", "quads": "text_boxes"}
"""Outputs that a crop can be cut by, and the member of a post step that gives each."""
ANGLES = ("0", "90", "180", "270")

Models = Mapping[str, "Processing | None"]
"""{model: what is done around it}"""


def takes_pictures(processing: Processing | None) -> bool:
    return processing is not None and bool(processing.pre)


def finds_many(processing: Processing | None) -> bool:
    """Whether a picture gives any number of rows (boxes), rather than one."""
    return any(_gives(processing, reader) for reader in CORNERS.values())


@dataclass(frozen=True)
class Link:
    """A step, and the one it goes on from."""

    step: PipelineStep
    before: PipelineStep
    models: Models

    @property
    def mine(self) -> Processing | None:
        return self.models[self.step.model or ""]

    @property
    def given(self) -> Processing | None:
        """Of the step before."""
        return self.models[self.before.model or ""]


def problem(steps: Sequence[PipelineStep], models: Models) -> str:
    """The first thing that is wrong with a chain of these models, with what to change; empty: nothing."""
    named = {step.name: step for step in steps}
    links = [Link(step, named[step.source], models) for step in steps if step.source != REQUEST]
    found = (f"pipeline step {link.step.name}: {text}" for link in links for check in CHECKS if (text := check(link)))
    return next(found, "")


def track_needs_boxes(link: Link) -> str:
    if link.step.track is None or _gives(link.given, "nms"):
        return ""
    return f"track follows boxes, and model {link.before.model} gives none; give it a post step nms"


def crop_is_no_output(link: Link) -> str:
    crop, before = link.step.crop, link.before
    if not crop or (crop in CORNERS and _gives(link.given, CORNERS[crop])):
        return ""
    return (
        f"crop {crop!r} is no output of step {before.name} to cut by: crop is boxes where model {before.model} has"
        " a post step nms, quads where it has textBoxes"
    )


def crop_needs_pictures(link: Link) -> str:
    if not link.step.crop:
        return ""
    for model, processing in ((link.before.model, link.given), (link.step.model, link.mine)):
        if not takes_pictures(processing):
            return f"crop cuts pictures, and model {model} takes none; give it processing.pre"
    return ""


def many_need_a_crop(link: Link) -> str:
    if link.step.crop or link.step.track or not finds_many(link.given):
        return ""
    found = f"step {link.before.name} finds boxes"
    return f"{found}; say by crop that this step gets what they cut out, or take from: request"


def pictures_come_from_nowhere(link: Link) -> str:
    if link.step.crop or link.step.track or not takes_pictures(link.mine) or takes_pictures(link.given):
        return ""
    return f"model {link.step.model} takes pictures, and step {link.before.name} has none; take from: request"


def turn_needs_angles(link: Link) -> str:
    if link.step.turn is None:
        return ""
    given, before = link.given, link.before
    if not takes_pictures(link.mine):
        return f"turn turns pictures, and model {link.step.model} takes none; give it processing.pre"
    if given is None or not _gives(given, "top_k") or not _labelled(given):
        return f"turn needs labels of step {before.name}; give model {before.model} a post step topK, and labels"
    strange = next((label for label in given.labels if label not in ANGLES), None)
    return f"turn takes labels 0, 90, 180, 270 (degrees), and {before.model} has {strange!r}" if strange else ""


def when_needs_what_it_weighs(link: Link) -> str:
    when, given, before = link.step.when, link.given, link.before
    if when is None:
        return ""
    if not any(_gives(given, reader) for reader in ("top_k", "ctc_decode", *CORNERS.values())):
        return (
            f"when needs a score of step {before.name}; give model {before.model} a post step topK, nms, textBoxes or"
            " ctcDecode"
        )
    if when.labels and not (_labelled(given) and (_gives(given, "top_k") or _gives(given, "nms"))):
        return f"when.labels needs labels of step {before.name}, and model {before.model} gives none"
    return ""


def _gives(processing: Processing | None, reader: str) -> bool:
    return processing is not None and any(getattr(step, reader) is not None for step in processing.post)


def _labelled(processing: Processing | None) -> bool:
    return processing is not None and bool(processing.labels or processing.labels_from)


CHECKS: tuple[Callable[[Link], str], ...] = (
    track_needs_boxes,
    crop_is_no_output,
    crop_needs_pictures,
    many_need_a_crop,
    pictures_come_from_nowhere,
    turn_needs_angles,
    when_needs_what_it_weighs,
)
