"""Chains that fail, that do not fit together, and that are replaced while they answer."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

from edgewise.api.processing import Processing
from edgewise_runtime.engines.base import AcceleratorLostError, InputRefusedError, ModelLoadError, Session, TensorSpec
from edgewise_runtime.models import Models, ServedModel
from edgewise_runtime.pipeline.session import PipelineSession, StepFailedError
from edgewise_runtime.processing import processed
from tests.runtime import tinyonnx
from tests.runtime.chains import (
    COLOUR,
    FIND,
    NAME,
    Members,
    ask,
    chain,
    finder_and_colour,
    model,
)
from tests.runtime.echo import Echo
from tests.runtime.serving import running


@pytest.fixture
def models(tmp_path: Path) -> Members:
    return finder_and_colour(tmp_path)


def two(first: Session, second: Session) -> PipelineSession:
    return chain(
        {"one": (first, None), "two": (second, None)},
        {"name": "a", "model": "one"},
        {"name": "b", "model": "two", "from": "a"},
    )


ONE = np.ones(1, np.float32)


class TestFailures:
    def test_a_failing_step_is_named(self) -> None:
        with pytest.raises(StepFailedError, match="step b failed: out of paper"):
            ask(two(Echo(), Echo(error=RuntimeError("out of paper"))), "b.y", x=ONE)

    def test_a_step_that_finds_fault_with_its_input_is_named(self) -> None:
        with pytest.raises(InputRefusedError, match="step a: too long"):
            ask(two(Echo(error=InputRefusedError("too long")), Echo()), "b.y", x=ONE)

    def test_a_lost_accelerator_stays_what_it_is(self) -> None:
        with pytest.raises(AcceleratorLostError):
            ask(two(Echo(error=AcceleratorLostError("gone")), Echo()), "b.y", x=ONE)

    def test_it_says_what_its_members_run_on(self) -> None:
        assert two(Echo(), Echo()).provider == "CPU"
        assert two(Echo(provider="TPU"), Echo()).provider == "TPU, CPU"
        broken = two(Echo(), Echo(provider="", lost="unplugged"))
        assert (broken.provider, broken.lost) == ("", "unplugged")

    async def test_clients_are_told_which_step_it_was(self) -> None:
        session = two(Echo(), Echo(error=RuntimeError("out of paper")))
        async with running(ServedModel("both", "1", "pipeline", session)) as device:
            body = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}]}
            status, answer = await device.infer("both", body)
        assert status == 500
        assert "step b failed: out of paper" in answer["error"]


class TestAtLoad:
    def test_a_chain_whose_models_do_not_fit_is_refused(self, models: Members) -> None:
        with pytest.raises(ModelLoadError, match="step name: crop 'quads' is no output of step find"):
            chain(models, FIND, {**NAME, "crop": "quads"})

    def test_tensors_that_have_nothing_in_common_are_refused(self, tmp_path: Path) -> None:
        linear, subtract = model(tinyonnx.linear(tmp_path, np.eye(2)), None), model(tinyonnx.subtract(tmp_path), None)
        with pytest.raises(ModelLoadError, match="takes a, b, and step l gives logits, twice; one of them must have"):
            chain({"l": linear, "s": subtract}, {"name": "l", "model": "l"}, {"name": "s", "model": "s", "from": "l"})

    def test_tensors_of_another_datatype_are_refused(self, tmp_path: Path) -> None:
        echo = model(tinyonnx.echo(tmp_path, "INT32", ["n"]), None)
        with pytest.raises(ModelLoadError, match=r"step b: x takes INT32 \[-1\], and a.x is FP32 \[-1\]"):
            chain(
                {"one": (Echo("x"), None), "two": echo},
                {"name": "a", "model": "one"},
                {"name": "b", "model": "two", "from": "a"},
            )

    def test_an_input_that_means_two_things_is_refused(self, tmp_path: Path) -> None:
        echo = model(tinyonnx.echo(tmp_path, "INT32", ["n"]), None)
        with pytest.raises(ModelLoadError, match=r"step b: its input x INT32 \[-1\] means something else"):
            chain({"one": (Echo(), None), "two": echo}, {"name": "a", "model": "one"}, {"name": "b", "model": "two"})

    def test_a_model_of_a_fixed_batch_is_refused(self, tmp_path: Path) -> None:
        eight = model(tinyonnx.colours(tmp_path, batch=8), COLOUR)
        with pytest.raises(ModelLoadError, match="step c: model eight takes 8 pictures at once, no more and no fewer"):
            chain({"eight": eight}, {"name": "c", "model": "eight"})

    def test_a_text_beside_the_pictures_is_one_of_those_inputs(self, tmp_path: Path) -> None:
        both = (TensorSpec("pixels", "FP32", (-1, 3, 4, 4)), TensorSpec("x", "BYTES", (1,)))
        processing = Processing.model_validate({**COLOUR, "input": "pixels", "post": [], "labels": []})
        asks = processed(Echo(inputs=both), processing)
        session = chain({"one": (asks, processing)}, {"name": "a", "model": "one"})
        assert session.inputs == (TensorSpec("image", "BYTES", (-1,)), TensorSpec("x", "BYTES", (1,)))
        with pytest.raises(ModelLoadError, match=r"step a: its input x BYTES \[1\] means something else"):
            chain(
                {"one": (asks, processing), "two": (Echo(), None)},
                {"name": "b", "model": "two"},
                {"name": "a", "model": "one"},
            )


class TestSwappingUnderIt:
    async def test_members_stay_open_until_the_last_request_of_the_pipeline_is_answered(self) -> None:
        slow = Echo(going=threading.Event())
        session = two(Echo(), slow)
        models = Models()
        models.replace({"both": ServedModel("both", "1", "pipeline", session)}, "r1")
        with models.acquire("both") as served:
            running_ = asyncio.create_task(asyncio.to_thread(served.session.run, {"x": ONE}, ["b.y"]))
            await asyncio.to_thread(slow.begun.wait, 10)
            models.replace({"other": ServedModel("other", "1", "test", Echo())}, "r2")
            assert slow.going is not None
            slow.going.set()
            assert (await running_)[0].tolist() == [1]
            assert slow.closed == 0
        assert slow.closed == 1

    def test_a_member_that_is_served_on_by_itself_stays_open(self) -> None:
        first, second = Echo(), Echo()
        models = Models()
        session = two(first, second)
        models.replace(
            {"both": ServedModel("both", "1", "p", session), "one": ServedModel("one", "1", "t", first)}, "r1"
        )
        models.replace({"one": ServedModel("one", "1", "t", first)}, "r2")
        assert (first.closed, second.closed) == (0, 1)
