"""A pipeline as a Session: one request in, the answers of all its steps out.

It owns no model: its members are served beside it, and stay open while a request of it runs (traits.members).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence

from PIL.Image import Image

from edgewise.api.pipeline import REQUEST, PipelineStep
from edgewise_runtime.engines.base import AcceleratorLostError, Array, InputRefusedError, TensorSpec
from edgewise_runtime.engines.traits import Timing, Traits, traits_of
from edgewise_runtime.pipeline.stages import ITEM, Feeds, Passage, Stage
from edgewise_runtime.processing import pictures
from edgewise_runtime.protocol.datatypes import BYTES

PICTURES = "image"
"""Input of a pipeline whose first steps take pictures: their bytes."""


class StepFailedError(Exception):
    """A model of the chain failed; the message says in which step."""


class PipelineSession:
    """Steps run in their order, in the caller's thread; those that nobody asked about are left out."""

    platform = "edgewise_pipeline"

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = {stage.step.name: stage for stage in stages}
        self.inputs = _inputs(stages)
        self.outputs = tuple(spec for stage in stages for spec in _outputs(stage, stage.session.outputs))
        hidden = (_named(stage.step, spec) for stage in stages for spec in traits_of(stage.session).hidden)
        members = tuple({id(stage.session): stage.session for stage in stages if stage.step.model}.values())
        self.timings = {stage.step.name: Timing() for stage in stages}
        self.traits = Traits(tuple(hidden), members, rows_independent=False, steady=False, timings=self.timings)
        self._timing = threading.Lock()

    @property
    def provider(self) -> str:
        """Of all members, each once; empty as soon as one serves no more."""
        providers = [member.provider for member in self.traits.members]
        return ", ".join(dict.fromkeys(providers)) if all(providers) else ""

    @property
    def lost(self) -> str:
        return next((member.lost for member in self.traits.members if member.lost), "")

    def run(self, feeds: Feeds, outputs: Sequence[str]) -> list[Array]:
        """As any Session. StepFailedError where a model fails."""
        wanted = self._wanted(outputs)
        images = self._images(feeds, wanted)
        passages: dict[str, Passage] = {}
        for name, names in wanted.items():
            stage = self._stages[name]
            started = time.perf_counter()
            try:
                if stage.step.source == REQUEST:
                    passages[name] = stage.on(images, feeds, sorted(names))
                else:
                    passages[name] = stage.after(passages[stage.step.source], feeds, sorted(names))
            except InputRefusedError as error:
                raise InputRefusedError(f"step {name}: {error}") from error
            except AcceleratorLostError:
                raise
            except Exception as error:
                raise StepFailedError(f"step {name} failed: {error}") from error
            self._took(name, time.perf_counter() - started)
        return [passages[step].outputs[output] for step, _, output in (name.partition(".") for name in outputs)]

    def close(self) -> None:
        """Nothing to do: the members are closed by whoever serves them."""

    def _wanted(self, outputs: Sequence[str]) -> dict[str, set[str]]:
        """{step: outputs of its model} to answer `outputs`, and for the steps on the way there; in the steps' order."""
        wanted: dict[str, set[str]] = {}
        for name in outputs:
            step, _, output = name.partition(".")
            wanted.setdefault(step, set()).update({output} - {ITEM})
        for name, stage in reversed(self._stages.items()):
            if name in wanted and stage.step.source != REQUEST:
                wanted.setdefault(stage.step.source, set()).update(stage.needs())
        return {name: wanted[name] for name in self._stages if name in wanted}

    def _images(self, feeds: Feeds, wanted: Iterable[str]) -> list[Image]:
        """The request's pictures, where a wanted step looks at them; the strictest of those steps says how many."""
        looking = [stage.intake for stage in map(self._stages.__getitem__, wanted) if stage.looks and stage.intake]
        if not looking:
            return []
        return pictures.decode(feeds[PICTURES].ravel(), min(intake.max_pixels for intake in looking))

    def _took(self, name: str, seconds: float) -> None:
        with self._timing:
            self.timings[name].runs += 1
            self.timings[name].seconds += seconds


def _inputs(stages: Sequence[Stage]) -> tuple[TensorSpec, ...]:
    """Pictures once for all steps; every other input that no step before it fills, under its own name."""
    looks = any(stage.looks for stage in stages)
    others = {spec.name: spec for stage in stages for spec in stage.asks}
    return (*([TensorSpec(PICTURES, BYTES, (-1,))] if looks else []), *others.values())


def _outputs(stage: Stage, specs: Sequence[TensorSpec]) -> list[TensorSpec]:
    named = [_named(stage.step, spec) for spec in specs]
    if stage.step.source == REQUEST:
        return named
    return [*named, TensorSpec(f"{stage.step.name}.{ITEM}", "INT64", (-1,))]


def _named(step: PipelineStep, spec: TensorSpec) -> TensorSpec:
    """An output of a step, under the pipeline's name for it; any number of rows."""
    return TensorSpec(f"{step.name}.{spec.name}", spec.datatype, (-1, *spec.shape[1:]) if spec.shape else ())
