"""Any steps that the API takes, on any model, with any picture or numbers: an answer as promised, or a refusal."""

from __future__ import annotations

import contextlib
import functools
import math
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from pydantic import ValidationError

from edgewise.api.processing import Processing
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import Array, EngineOptions, InputRefusedError, ModelLoadError, Session
from edgewise_runtime.processing import processed
from edgewise_runtime.protocol.datatypes import BYTES, dtype_of
from tests.runtime import tinyonnx
from tests.runtime.photos import encoded, gradient, tensor

Steps = st.SearchStrategy[dict[str, Any]]

SIDES = st.one_of(st.integers(1, 20), st.sampled_from([32, 640, 4096]))
DECIMALS = st.sampled_from(["0", "0.5", "1", "127.5", "0.000001", "-1"])
FRACTIONS = st.sampled_from(["0", "0.25", "1"])


def some(**members: st.SearchStrategy[Any]) -> Steps:
    """Any of these parameters, or none."""
    return st.fixed_dictionaries({}, optional=members)


def step(name: str, parameters: Steps) -> Steps:
    return st.fixed_dictionaries({name: parameters})


SIZE = {"width": SIDES, "height": SIDES}
RESIZE = {
    "fit": st.sampled_from(["Stretch", "Cover", "Within", "Height"]),
    "enlarge": st.booleans(),
    "multipleOf": st.sampled_from([1, 3, 32, 256]),
}
BETWEEN = st.one_of(
    step("resize", st.fixed_dictionaries(SIZE, optional=RESIZE)),
    step("crop", st.fixed_dictionaries(SIZE)),
    step("pad", some(**SIZE, align=st.sampled_from(["Centre", "Start"]))),
)
NUMBERS = st.lists(DECIMALS, max_size=3)
BEFORE = st.builds(
    lambda first, between, normalise, last: [first, *between, *normalise, last],
    step("decodeImage", some(colour=st.sampled_from(["RGB", "BGR", "Grey"]))),
    st.lists(BETWEEN, max_size=3),
    st.lists(step("normalise", some(scale=DECIMALS, mean=NUMBERS, std=NUMBERS)), max_size=1),
    step("toTensor", some(layout=st.sampled_from(["CHW", "HWC"]))),
)
FIND_BOXES = some(
    layout=st.sampled_from(["Rows", "Columns"]),
    coordinates=st.sampled_from(["Corners", "CentreSize"]),
    unit=st.sampled_from(["Pixels", "Fraction"]),
    scoring=st.sampled_from(["PerClass", "Best"]),
    objectness=st.booleans(),
    minScore=FRACTIONS,
    iou=FRACTIONS,
)
READERS: dict[str, tuple[int, Steps]] = {
    "": (4, st.nothing()),
    "topK": (2, some(k=st.integers(1, 5))),
    "nms": (3, FIND_BOXES),
    "textBoxes": (4, some(threshold=FRACTIONS, minScore=FRACTIONS, unclip=DECIMALS)),
    "ctcDecode": (3, some(space=st.booleans())),
}
"""By step: the number of dimensions that it reads, and its parameters."""
ACTIVATIONS = st.lists(st.one_of(step("softmax", some()), step("sigmoid", some())), max_size=2)
LABELS = st.lists(st.sampled_from(["a", "ä", ""]), min_size=1, max_size=4)
SIZES: st.SearchStrategy[int | str] = st.sampled_from(["n", "n", "n", "n", 1, 3, 6])
OPEN = 7, 9  # an open dimension: enough for a box with its scores
DATATYPES = st.sampled_from(["FP32", "FP16", "FP64", "UINT8", "INT8", "INT64", "BOOL", "BYTES"])
PICTURES: st.SearchStrategy[bytes] = st.sampled_from(
    [encoded(gradient(w, h), kind) for w, h, kind in ((1, 1, "PNG"), (7, 3, "JPEG"), (2, 90, "WEBP"), (300, 1, "PNG"))]
)


@functools.cache
def echo(datatype: str, shape: tuple[int | str, ...]) -> Session:
    with tempfile.TemporaryDirectory() as folder:
        named = [size if isinstance(size, int) else f"n{at}" for at, size in enumerate(shape)]
        return load(tinyonnx.echo(Path(folder), datatype, named), "ONNX", EngineOptions(threads=1))


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Any], tuple[int | str, ...]]:
    """A processing, and the shape of a model that it may go with."""
    name = draw(st.sampled_from(list(READERS)))
    rank, parameters = READERS[name]
    spec: dict[str, Any] = {"post": draw(ACTIVATIONS)}
    if name:
        spec["post"].append({name: draw(parameters)})
    if name == "ctcDecode" or draw(st.booleans()):
        spec["labels"] = draw(LABELS)
    if rank == 4 and draw(st.booleans()):
        spec["pre"] = draw(BEFORE)
    return spec, tuple(draw(st.lists(SIZES, min_size=rank, max_size=rank)))


@settings(max_examples=1000, suppress_health_check=list(HealthCheck))
@given(cases(), DATATYPES, st.data())
def test_an_answer_is_as_promised_or_refused(
    case: tuple[dict[str, Any], tuple[int | str, ...]], datatype: str, data: st.DataObject
) -> None:
    spec, shape = case
    with contextlib.suppress(ValidationError, ModelLoadError):
        session = processed(echo(datatype, shape), Processing.model_validate(spec))
        feeds = {"x": data.draw(fed(session))}
        with contextlib.suppress(InputRefusedError):
            names = [output.name for output in session.outputs]
            for output, array in zip(session.outputs, session.run(feeds, names), strict=True):
                assert array.dtype == (object if output.datatype == BYTES else dtype_of(output.datatype)), output
                fits = [want in (-1, have) for want, have in zip(output.shape, array.shape, strict=True)]
                assert all(fits), (output, array.shape)


@st.composite
def fed(draw: st.DrawFn, session: Session) -> Array:
    (spec,) = session.inputs
    shape = tuple(draw(st.integers(*OPEN)) if size == -1 else size for size in spec.shape)
    if spec.datatype == BYTES:
        count = math.prod(shape)
        return tensor(*draw(st.lists(PICTURES, min_size=count, max_size=count))).reshape(shape)
    return draw(npst.arrays(dtype_of(spec.datatype), shape))
