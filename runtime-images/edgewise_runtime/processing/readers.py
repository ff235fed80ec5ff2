"""The last step after a model, made ready at load: its tensors in, named answers out.

A reader is found by the member its step has in api/processing.py. It says which outputs of the model it needs, and what
it gives; session.py calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgewise.api.names import Reason
from edgewise.api.processing import CtcDecode, NonMaximumSuppression, PostStep, TextBoxes, TopK
from edgewise_runtime.engines.base import Array, ModelLoadError, TensorSpec
from edgewise_runtime.processing import boxes, classes, ctc, textboxes
from edgewise_runtime.protocol.datatypes import BYTES

IMAGE = "image"
"""Output of a reader with `many`: which picture of the request a row belongs to."""

Tensors = Mapping[str, Array]
Labels = Sequence[bytes]


class Frame(Protocol):
    """One picture as the model saw it (pictures.Picture: a model that takes none needs no Pillow)."""

    def placed(self, points: Array, fraction: bool) -> Array:
        """`points` [..., 2] of the model's input, in pixels or as a fraction of it, in pixels of the sent picture."""


@dataclass(frozen=True)
class Reader:
    """`read(tensors, frames)`: the answers, by name. `frames`: one a picture; none where no pictures came in."""

    needs: tuple[str, ...]
    gives: tuple[TensorSpec, ...]
    read: Callable[[Tensors, Sequence[Frame]], dict[str, Array]]
    many: bool = False
    """Any number of rows a picture: IMAGE says to which one each belongs."""


def reader(step: PostStep, outputs: Sequence[TensorSpec], labels: Labels) -> Reader:
    """ModelLoadError where the step does not fit the model's outputs."""
    if step.top_k is not None:
        return _top_k(step.top_k, outputs, labels)
    if step.nms is not None:
        return _boxes(step.nms, outputs, labels)
    if step.text_boxes is not None:
        return _text_boxes(step.text_boxes, outputs)
    return _text(step.ctc_decode or CtcDecode(), outputs, labels)


def _top_k(options: TopK, outputs: Sequence[TensorSpec], labels: Labels) -> Reader:
    spec = named_output(outputs, options.output, 2, "topK.output")
    many = spec.shape[1]
    if many != -1 and options.k > many:
        raise ModelLoadError(Reason.LOAD_FAILED, f"topK.k is {options.k}, the model has {many} classes")
    _enough(labels, many)
    shape = (spec.shape[0], options.k if many != -1 else -1)

    def read(tensors: Tensors, _: Sequence[Frame]) -> dict[str, Array]:
        found, scores = classes.top_k(tensors[spec.name], options.k)
        return _with_labels({"class": found, "score": scores.astype(np.float32)}, found, labels)

    gives = (TensorSpec("class", "INT64", shape), TensorSpec("score", "FP32", shape))
    return Reader((spec.name,), _labelled(gives, shape, labels), read)


def _boxes(options: NonMaximumSuppression, outputs: Sequence[TensorSpec], labels: Labels) -> Reader:
    spec = named_output(outputs, options.boxes, 3, "nms.boxes")
    apart = named_output(outputs, options.scores, 3, "nms.scores") if options.scores else None
    scores_a_box = _check_boxes(options, spec, apart)
    if options.scoring == "PerClass" and scores_a_box != -1:
        _enough(labels, scores_a_box - options.objectness)

    def read(tensors: Tensors, frames: Sequence[Frame]) -> dict[str, Array]:
        found = []
        for index, raw in enumerate(tensors[spec.name]):
            rows = _rows(raw, options.layout)
            scores = rows[:, 4:] if apart is None else _rows(tensors[apart.name][index], options.layout)
            best = boxes.candidates(rows[:, :4], scores, options)
            kept = boxes.suppressed(best, float(options.iou), options.limit)
            corners = kept.corners.reshape(-1, 2, 2)
            placed = frames[index].placed(corners, options.unit == "Fraction") if frames else corners
            found.append({"boxes": placed.reshape(-1, 4), "score": kept.scores, "class": kept.classes})
        gathered = _gathered(found)
        return _with_labels(gathered, gathered["class"], labels)

    gives = (
        TensorSpec("boxes", "FP32", (-1, 4)),
        TensorSpec("score", "FP32", (-1,)),
        TensorSpec("class", "INT64", (-1,)),
        TensorSpec(IMAGE, "INT64", (-1,)),
    )
    needs = (spec.name,) if apart is None else (spec.name, apart.name)
    return Reader(needs, _labelled(gives, (-1,), labels), read, many=True)


def _check_boxes(options: NonMaximumSuppression, spec: TensorSpec, apart: TensorSpec | None) -> int:
    """Scores a box; -1: any number. ModelLoadError where they are not enough, or a box has not its four numbers."""
    side = 2 if options.layout == "Rows" else 1
    numbers, least = spec.shape[side], boxes.least_scores(options)
    if numbers != -1 and (numbers != 4 if apart else numbers < 4 + least):
        raise ModelLoadError(
            Reason.LOAD_FAILED,
            f"nms.boxes: {spec.name} {list(spec.shape)} has {numbers} numbers a box with layout {options.layout};"
            " a box takes 4, and its class scores follow unless nms.scores names them",
        )
    if apart is None:
        return numbers - 4 if numbers != -1 else -1
    scores, boxes_, scored = apart.shape[side], spec.shape[3 - side], apart.shape[3 - side]
    if (scores != -1 and scores < least) or (-1 not in (boxes_, scored) and boxes_ != scored):
        raise ModelLoadError(
            Reason.LOAD_FAILED,
            f"nms.scores: {apart.name} {list(apart.shape)} has not {least} or more scores with layout {options.layout}"
            f" for each box of {spec.name} {list(spec.shape)}",
        )
    return scores


def _text_boxes(options: TextBoxes, outputs: Sequence[TensorSpec]) -> Reader:
    spec = named_output(outputs, options.output, 4, "textBoxes.output")

    def read(tensors: Tensors, frames: Sequence[Frame]) -> dict[str, Array]:
        found = []
        for index, chances in enumerate(tensors[spec.name][:, 0]):
            quads, scores = textboxes.find(chances, options)
            height, width = chances.shape
            placed = frames[index].placed(quads / np.array((width, height), np.float32), True) if frames else quads
            found.append({"quads": placed, "score": scores})
        return _gathered(found)

    gives = (
        TensorSpec("quads", "FP32", (-1, 4, 2)),
        TensorSpec("score", "FP32", (-1,)),
        TensorSpec(IMAGE, "INT64", (-1,)),
    )
    return Reader((spec.name,), gives, read, many=True)


def _text(options: CtcDecode, outputs: Sequence[TensorSpec], labels: Labels) -> Reader:
    spec = named_output(outputs, options.output, 3, "ctcDecode.output")
    alphabet = [*labels, b" "] if options.space else list(labels)
    _enough(
        alphabet, spec.shape[2] - 1 if spec.shape[2] != -1 else -1, "labels and spaces" if options.space else "labels"
    )

    def read(tensors: Tensors, _: Sequence[Frame]) -> dict[str, Array]:
        texts, scores = ctc.decode(tensors[spec.name], alphabet)
        return {"text": texts, "score": scores}

    shape = (spec.shape[0],)
    return Reader((spec.name,), (TensorSpec("text", BYTES, shape), TensorSpec("score", "FP32", shape)), read)


def named_output(outputs: Sequence[TensorSpec], name: str, rank: int, what: str) -> TensorSpec:
    """The numeric output of that name (empty: the only one) and number of dimensions (0: any), or ModelLoadError."""
    found = [spec for spec in outputs if not name or spec.name == name]
    there = ", ".join(f"{spec.name} {spec.datatype} {list(spec.shape)}" for spec in outputs)
    if len(found) != 1:
        wrong = f"{name!r} is none of the model's outputs" if name else "has to name one of the model's outputs"
        raise ModelLoadError(Reason.LOAD_FAILED, f"processing.post {what} {wrong}: {there}")
    if found[0].datatype in (BYTES, "BOOL") or (rank and len(found[0].shape) != rank):
        dimensions = f" in {rank} dimensions" if rank else ""
        raise ModelLoadError(
            Reason.LOAD_FAILED, f"processing.post {what} needs numbers{dimensions}; the model gives {there}"
        )
    return found[0]


def _enough(labels: Labels, classes_: int, what: str = "labels") -> None:
    if labels and classes_ != -1 and len(labels) != classes_:
        raise ModelLoadError(
            Reason.LOAD_FAILED,
            f"processing has {len(labels)} {what}, the model has {classes_} classes",
        )


def _rows(raw: Array, layout: str) -> Array:
    return raw if layout == "Rows" else raw.T


def _gathered(found: Sequence[dict[str, Array]]) -> dict[str, Array]:
    """What was found in each picture, below each other, with the picture's number as IMAGE."""
    counts = [len(one["score"]) for one in found]
    together = {name: np.concatenate([one[name] for one in found]) for name in found[0]}
    return {**together, IMAGE: np.repeat(np.arange(len(found), dtype=np.int64), counts)}


def _with_labels(answers: dict[str, Array], found: Array, labels: Labels) -> dict[str, Array]:
    return {**answers, "label": classes.named(found, labels)} if labels else answers


def _labelled(gives: tuple[TensorSpec, ...], shape: tuple[int, ...], labels: Labels) -> tuple[TensorSpec, ...]:
    return (TensorSpec("label", BYTES, shape), *gives) if labels else gives
