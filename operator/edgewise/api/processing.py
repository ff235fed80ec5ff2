"""Processing: what the runtime does around a model, so that clients send pictures and get labels, boxes or text.

Part of EdgeModel. A closed list of steps; each has a member of its own with its own bounded parameters.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgewise.api.base import Decimal, Fraction, Model, Rule, Word, atomic, exactly_one

Side = Annotated[int, Field(ge=1, le=4096)]
Multiple = Annotated[int, Field(ge=1, le=256)]


class DecodeImage(Model):
    """JPEG, PNG or WebP, turned upright by its EXIF orientation. Anything else is answered with 400."""

    colour: Literal["RGB", "BGR", "Grey"] = "RGB"
    """What the model was trained on; BGR where that was done with OpenCV."""
    max_pixels: Annotated[int, Field(ge=1, le=67_108_864)] = 16_777_216
    """Of all pictures of a request together, as they come and after each step; more are refused before memory is taken
    for them (3 bytes a pixel)."""


class Resize(Model):
    """Scales the picture, smoothed where it gets smaller, as Pillow and torchvision do."""

    width: Side
    height: Side
    fit: Literal["Stretch", "Cover", "Within", "Height"] = "Stretch"
    """Stretch: exactly width x height. The others keep its proportions: Cover: both sides at least so long; Within:
    neither side longer; Height: exactly so high, and squeezed where it would get wider than width (lines of text)."""
    enlarge: bool = True
    """false, with Within: a picture that is small enough keeps its size."""
    multiple_of: Multiple = 1
    """Rounds both sides to a multiple, for networks that want 32."""
    filter: Literal["Nearest", "Bilinear", "Bicubic"] = "Bilinear"


class Crop(Model):
    """The middle of the picture; black where it is smaller."""

    width: Side
    height: Side


class Pad(Model):
    """Fills up to a size: after a resize with fit Within, that is a letterbox."""

    width: Side | None = None
    """Absent: that of the widest picture in the batch."""
    height: Side | None = None
    """Absent: that of the highest picture in the batch."""
    multiple_of: Multiple = 1
    """Rounds an absent width or height up."""
    fill: Annotated[int, Field(ge=0, le=255)] = 0
    """Of every colour channel; 114 is usual for YOLO."""
    align: Literal["Centre", "Start"] = "Centre"
    """Start: the picture stays at the left and the top."""


class Normalise(Model):
    """(value / scale - mean) / std, for each colour channel."""

    scale: Decimal = "255"
    mean: Annotated[list[Decimal], atomic(3)] = Field(default_factory=list)
    """One number for all channels, or one each; empty: 0."""
    std: Annotated[list[Decimal], atomic(3)] = Field(default_factory=list)
    """One number for all channels, or one each; empty: 1."""

    rules = (
        Rule(
            "scale and std must be above 0",
            "self.scale.matches('[1-9]') && self.std.all(s, s.matches('[1-9]'))",
            lambda self: all(any(digit in "123456789" for digit in text) for text in [self.scale, *self.std]),
        ),
    )


class ToTensor(Model):
    """Stacks the pictures into the model's input, in the model's datatype (whole numbers are rounded)."""

    layout: Literal["CHW", "HWC"] = "CHW"
    """CHW: colour channels first, as from PyTorch; HWC: last, as from TensorFlow."""


class Activation(Model):
    """For models that end in logits; softmax goes over the last dimension."""

    output: Word = ""
    """Of the model; empty: its only one."""


class TopK(Model):
    """The likeliest classes. Gives `score` FP32 and `class` INT64, both [n, k], and with labels `label` BYTES."""

    output: Word = ""
    """Of the model, shape [n, classes]; empty: its only one."""
    k: Annotated[int, Field(ge=1, le=100)] = 1


class NonMaximumSuppression(Model):
    """Of boxes that overlap, the best. Gives `boxes` FP32 [m, 4] (left, top, right, bottom, in pixels of the picture
    that was sent), `score` FP32, `class` INT64 and `image` INT64 (which picture), all [m], and with labels `label`
    BYTES."""

    boxes: Word = ""
    """Output of the model that holds the boxes; empty: its only one."""
    scores: Word = ""
    """Output that holds a score for each class; empty: they follow the four numbers of each box."""
    layout: Literal["Rows", "Columns"] = "Rows"
    """Rows: [n, boxes, numbers]; Columns: [n, numbers, boxes], as from YOLOv8 on."""
    coordinates: Literal["Corners", "CentreSize"] = "Corners"
    """Corners: left, top, right, bottom. CentreSize: middle and size, as from YOLO."""
    unit: Literal["Pixels", "Fraction"] = "Pixels"
    """Of the model's input."""
    scoring: Literal["PerClass", "Best"] = "PerClass"
    """PerClass: a score for each class. Best: two numbers, a score and its class, as from models that end in their own
    suppression (YOLOv10)."""
    objectness: bool = False
    """true: the first score says whether there is an object at all, and multiplies the others (YOLOv5)."""
    min_score: Fraction = "0.25"
    iou: Fraction = "0.45"
    """Boxes of a class that overlap more (intersection over union) are one object."""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    """Boxes a picture, the best."""


class TextBoxes(Model):
    """Where text stands, out of a probability map (differentiable binarisation). Gives `quads` FP32 [m, 4, 2] (four
    corners clockwise from the top left one of the text, in pixels of the picture that was sent), `score` FP32 and
    `image` INT64 (which picture), both [m], in reading order."""

    output: Word = ""
    """Of the model, shape [n, 1, height, width]; empty: its only one."""
    threshold: Fraction = "0.3"
    """Above it a pixel is text."""
    min_score: Fraction = "0.5"
    """Of a box: the mean of its pixels."""
    unclip: Decimal = "1.6"
    """How far a box is drawn out: area x unclip / circumference, since the map shows the core of each line."""
    limit: Annotated[int, Field(ge=1, le=1000)] = 200
    """Boxes a picture, the best."""


class CtcDecode(Model):
    """Characters in time steps, read greedily. Gives `text` BYTES and `score` FP32 (mean of its characters), both [n].

    Class 0 is the blank; class 1 is the first of the labels."""

    output: Word = ""
    """Of the model, shape [n, steps, classes]; empty: its only one."""
    space: bool = False
    """true: one more class, after the last label, is the space."""


class PreStep(Model):
    """One step between the request and the model."""

    decode_image: DecodeImage | None = None
    """First, and always there."""
    resize: Resize | None = None
    crop: Crop | None = None
    pad: Pad | None = None
    normalise: Normalise | None = None
    """Right before toTensor."""
    to_tensor: ToTensor | None = None
    """Last, and always there."""

    rules = (exactly_one("decode_image", "resize", "crop", "pad", "normalise", "to_tensor"),)


class PostStep(Model):
    """One step between the model and the answer."""

    softmax: Activation | None = None
    sigmoid: Activation | None = None
    top_k: TopK | None = None
    nms: NonMaximumSuppression | None = None
    text_boxes: TextBoxes | None = None
    ctc_decode: CtcDecode | None = None

    rules = (exactly_one("softmax", "sigmoid", "top_k", "nms", "text_boxes", "ctc_decode"),)


def _pre_in_order(processing: Processing) -> bool:
    """decodeImage, then any of resize, crop and pad, then maybe normalise, then toTensor."""
    pre = processing.pre
    if not pre:
        return True
    last = len(pre) - 1
    return last > 0 and all(
        (step.decode_image is not None) == (index == 0)
        and (step.to_tensor is not None) == (index == last)
        and (step.normalise is None or index == last - 1)
        for index, step in enumerate(pre)
    )


def _reads_last(processing: Processing) -> bool:
    readers = [step.softmax is None and step.sigmoid is None for step in processing.post]
    return not any(readers[:-1])


_PRE_IN_ORDER = (
    "self.pre.size() == 0 || (self.pre.size() > 1 && has(self.pre[0].decodeImage)"
    " && has(self.pre[self.pre.size() - 1].toTensor)"
    " && self.pre.filter(s, has(s.decodeImage)).size() == 1 && self.pre.filter(s, has(s.toTensor)).size() == 1"
    " && self.pre.filter(s, has(s.normalise)).size() == (has(self.pre[self.pre.size() - 2].normalise) ? 1 : 0))"
)
_READS_LAST = (
    "self.post.filter(s, !has(s.softmax) && !has(s.sigmoid)).size() <= 1 && (self.post.size() == 0"
    " || self.post.filter(s, !has(s.softmax) && !has(s.sigmoid)).size() == 0"
    " || (!has(self.post[self.post.size() - 1].softmax) && !has(self.post[self.post.size() - 1].sigmoid)))"
)


class Processing(Model):
    """Steps before and after the model. Absent: tensors in, tensors out.

    What it replaces of the model's inputs and outputs is replaced in the metadata, too; the model's own outputs can
    still be asked for by name."""

    input: Word = ""
    """Input of the model that `pre` makes; empty: its only one. The others stay as they are."""
    pre: Annotated[list[PreStep], atomic(16)] = Field(default_factory=list)
    """Pictures to a tensor: decodeImage, then any of resize, crop and pad, then normalise if wanted, then toTensor. The
    input then takes the bytes of pictures: BYTES [n]."""
    post: Annotated[list[PostStep], atomic(4)] = Field(default_factory=list)
    """softmax or sigmoid if wanted, then one of topK, nms, textBoxes and ctcDecode."""
    labels: Annotated[list[Word], atomic(2048)] = Field(default_factory=list)
    """Class names in the order of the model's classes."""
    labels_from: Word = ""
    """Name of an entry of the model file's own metadata that holds them, one a line."""

    rules = (
        Rule("pre must begin with decodeImage and end with normalise, if any, and toTensor", _PRE_IN_ORDER,
             _pre_in_order),
        Rule("post may hold one of topK, nms, textBoxes and ctcDecode, as its last step", _READS_LAST, _reads_last),
        Rule("set labels or labelsFrom, not both", "self.labels.size() == 0 || self.labelsFrom == ''",
             lambda self: not self.labels or not self.labels_from),
        Rule("ctcDecode needs labels or labelsFrom",
             "!self.post.exists(s, has(s.ctcDecode)) || self.labels.size() > 0 || self.labelsFrom != ''",
             lambda self: bool(self.labels or self.labels_from) or not any(step.ctc_decode for step in self.post)),
    )  # fmt: skip
