"""Puts a pipeline together from the models it names. Called by agent/loading.py once they are loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from edgewise.api.names import Reason
from edgewise.api.pipeline import REQUEST, PipelineStep
from edgewise.api.processing import Processing
from edgewise.contract import chains
from edgewise_runtime.engines.base import ModelLoadError, Session, TensorSpec
from edgewise_runtime.pipeline.session import PICTURES, PipelineSession
from edgewise_runtime.pipeline.stages import Stage
from edgewise_runtime.pipeline.tracking import Tracker


def build(
    steps: Sequence[PipelineStep], sessions: Mapping[str, Session], processing: Mapping[str, Processing | None]
) -> PipelineSession:
    """ModelLoadError, with what to change, where steps and models do not fit each other."""
    if problem := chains.problem(steps, processing):
        raise ModelLoadError(Reason.LOAD_FAILED, problem)
    stages: dict[str, Stage] = {}
    for step in steps:
        session = Tracker(step.track) if step.track is not None else sessions[step.model or ""]
        stage = Stage(step, session)
        wires = {} if stage.intake or step.source == REQUEST else _wires(step, stage, stages[step.source])
        stages[step.name] = Stage(step, session, wires)
    _check_batches(stages.values())
    _check_inputs(list(stages.values()))
    return PipelineSession(list(stages.values()))


def _wires(step: PipelineStep, stage: Stage, before: Stage) -> dict[str, str]:
    """{input: output of the step before}: by name, or the only one to the only one."""
    inputs, outputs = stage.session.inputs, {spec.name: spec for spec in before.specs}
    wires = {spec.name: spec.name for spec in inputs if spec.name in outputs}
    if not wires and len(inputs) == 1 and len(before.session.outputs) == 1:
        wires = {inputs[0].name: before.session.outputs[0].name}
    if not wires:
        raise ModelLoadError(
            Reason.LOAD_FAILED,
            f"pipeline step {step.name}: model {step.model} takes {_names(inputs)}, and step {step.source} gives"
            f" {', '.join(outputs)}; one of them must have the same name",
        )
    for name, output in wires.items():
        wanted = next(spec for spec in inputs if spec.name == name)
        if outputs[output].datatype != wanted.datatype or len(outputs[output].shape) != len(wanted.shape):
            raise ModelLoadError(
                Reason.LOAD_FAILED,
                f"pipeline step {step.name}: {name} takes {wanted.datatype} {list(wanted.shape)}, and"
                f" {step.source}.{output} is {outputs[output].datatype} {list(outputs[output].shape)}",
            )
    return wires


def _check_batches(stages: Iterable[Stage]) -> None:
    """A step gets any number of pictures, and no model can be asked to leave some of its batch empty."""
    for stage in stages:
        if stage.intake is not None and (batch := stage.intake.spec.shape[0]) > 1:
            raise ModelLoadError(
                Reason.LOAD_FAILED,
                f"pipeline step {stage.step.name}: model {stage.step.model} takes {batch} pictures at once, no more and"
                " no fewer; export it with an open batch, or with a batch of 1",
            )


def _check_inputs(stages: Sequence[Stage]) -> None:
    """Two steps that read one input of the request must mean the same by it; and PICTURES means pictures."""
    seen: dict[str, TensorSpec] = {}
    looks = any(stage.looks for stage in stages)
    for stage in stages:
        for spec in stage.asks:
            if (spec.name == PICTURES and looks) or seen.setdefault(spec.name, spec) != spec:
                raise ModelLoadError(
                    Reason.LOAD_FAILED,
                    f"pipeline step {stage.step.name}: its input {spec.name} {spec.datatype} {list(spec.shape)} means"
                    " something else in another step; rename it in one of the models",
                )


def _names(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(spec.name for spec in specs)
