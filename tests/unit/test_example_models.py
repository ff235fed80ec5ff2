"""The example models are the files that were measured, and the example manifests say what was measured."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.edgemodel import EdgeModel
from examples import fetch, vad_client
from examples.digits_client import Answer, summarise
from examples.models.digits import measure, misordered, train
from examples.models.digits.data import Digits, read_held_out
from examples.models.digits.network import Network, Shape
from examples.models.digits.training import softmax

METRICS = json.loads(train.METRICS.read_text())
FILES = sorted(METRICS["files"])
SPEECH = train.EXAMPLES / "04-second-model" / "speech"
KINDS = {"EdgeModel": EdgeModel, "EdgeDeployment": EdgeDeployment}


def manifests(kind: str) -> list[Any]:
    """Every example manifest of a kind, named by its folder."""
    documents = (
        (path, document)
        for path in sorted(train.EXAMPLES.glob("[0-9]*/**/edge*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
    )
    return [
        pytest.param(document, id=str(path.parent.relative_to(train.EXAMPLES)))
        for path, document in documents
        if document["kind"] == kind
    ]


@pytest.fixture(scope="module")
def held_out() -> Digits:
    return read_held_out(train.HELD_OUT)


def test_committed_files_manifests_and_metrics_agree() -> None:
    assert train.check() == []


def test_held_out_data_has_a_hundred_images_of_each_digit(held_out: Digits) -> None:
    assert held_out.images.shape == (1000, 28, 28)
    assert np.bincount(held_out.labels).tolist() == [100] * 10


@pytest.mark.parametrize("file", FILES)
def test_model_gives_the_recorded_accuracy_on_images_it_never_saw(file: str, held_out: Digits) -> None:
    logits = measure.infer(train.path_of(file), held_out.model_input)
    assert measure.accuracy(logits, held_out.labels) == pytest.approx(METRICS["files"][file]["accuracy"], abs=0.002)


@pytest.mark.parametrize("file", FILES)
def test_readme_shows_the_recorded_accuracy(file: str) -> None:
    readme = (train.EXAMPLES / "models" / "README.md").read_text()
    recorded = METRICS["files"][file]
    assert f"| {file} | {recorded['size']:,} | {recorded['accuracy']:.3f} |" in readme


@pytest.mark.parametrize("file", [file for file in FILES if file != train.CLOUD])
def test_edge_model_is_good_alone_and_better_with_the_cloud(file: str, held_out: Digits) -> None:
    recorded = METRICS["files"][file]
    divisor = METRICS["versions"][file.removesuffix(".onnx").rsplit("-", 1)[1]]["temperature"]
    edge = measure.infer(train.path_of(file), held_out.model_input)
    cloud = measure.infer(train.path_of(train.CLOUD), held_out.model_input)
    found = measure.escalation(edge, cloud, held_out.labels, divisor)
    assert recorded["accuracy"] >= 0.95
    assert found["accuracy"] == pytest.approx(recorded["withCloud"]["accuracy"], abs=0.002)
    assert found["asked"] == pytest.approx(recorded["withCloud"]["asked"], abs=0.005)
    assert recorded["accuracy"] + 0.01 < found["accuracy"] <= METRICS["files"][train.CLOUD]["accuracy"]


@pytest.mark.parametrize("folder", ["digits", "digits_cloud"])
def test_generated_config_map_stays_below_the_limit_of_a_config_map(folder: str) -> None:
    base = train.EXAMPLES / "models" / folder
    (generator,) = yaml.safe_load((base / "kustomization.yaml").read_text())["configMapGenerator"]
    assert sum((base / entry.split("=")[-1]).stat().st_size for entry in generator["files"]) < 2**20


@pytest.mark.parametrize(("version", "path"), train.MANIFESTS.items())
def test_every_variant_of_the_digits_is_served_by_the_model_store(version: str, path: Path) -> None:
    kustomization = yaml.safe_load((train.HERE / "kustomization.yaml").read_text())
    for variant in yaml.safe_load(path.read_text())["spec"]["variants"]:
        file = variant["source"]["uri"].rsplit("/", 1)[1]
        assert file in kustomization["configMapGenerator"][0]["files"]
        assert variant["source"]["sha256"] == METRICS["files"][file]["sha256"]
        assert variant["accuracy"] == f"{METRICS['files'][file]['accuracy']:.3f}"
        assert file == f"digits-{variant['name']}-{version}.onnx"


GATED = train.EXAMPLES / "10-gated-rollout"


@pytest.mark.parametrize(("path", "right"), [(GATED, 1.0), (GATED / "bad", 0.0)], ids=["good", "bad"])
def test_the_self_test_of_the_gated_rollout_tells_its_good_version_from_the_bad_one(path: Path, right: float) -> None:
    spec = EdgeModel.model_validate(yaml.safe_load((path / "edgemodel.yaml").read_text())).spec
    assert spec.self_test is not None
    kept = train.HERE / str(spec.self_test.source).rsplit("/", 1)[1]
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == spec.self_test.sha256
    golden = np.load(kept)
    for variant in spec.variants:
        file = train.HERE / variant.source.uri.rsplit("/", 1)[1]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == variant.source.sha256
        assert file.stat().st_size == variant.source.size
        assert measure.accuracy(measure.infer(file, golden["input.image"]), golden["label.logits"]) == right


def test_the_bad_version_is_made_as_its_script_says(tmp_path: Path) -> None:
    misordered.misorder(train.HERE / "digits-int8-1.1.0.onnx", tmp_path / "made.onnx")
    misordered.golden(tmp_path / "golden.npz")
    assert (tmp_path / "made.onnx").read_bytes() == (train.HERE / "digits-int8-1.2.0.onnx").read_bytes()
    made, kept = np.load(tmp_path / "golden.npz"), np.load(train.HERE / "golden.npz")
    assert all(np.array_equal(made[name], kept[name]) for name in made.files + kept.files)


@pytest.mark.parametrize("document", manifests("EdgeModel") + manifests("EdgeDeployment"))
def test_example_is_accepted_and_every_field_of_it_is_known(document: dict[str, Any]) -> None:
    accepted = KINDS[document["kind"]].model_validate(document).wire()
    assert _within(document["spec"], accepted["spec"])


def _within(part: Any, whole: Any) -> bool:
    if isinstance(part, dict):
        return all(key in whole and _within(value, whole[key]) for key, value in part.items())
    if isinstance(part, list):
        return len(part) == len(whole) and all(map(_within, part, whole))
    return bool(part == whole)


@pytest.mark.parametrize("document", manifests("EdgeDeployment"))
def test_example_serves_models_that_examples_define(document: dict[str, Any]) -> None:
    defined = {model.values[0]["metadata"]["name"] for model in manifests("EdgeModel")}
    assert {model["name"] for model in document["spec"]["models"]} <= defined


def test_gradients_are_the_slopes_of_the_loss() -> None:
    rng = np.random.default_rng(7)
    network = Network((Shape(3, 2, 1, 3), Shape(3, 1, 1, 4), Shape(4, 1, 0, 10)), rng)
    images, label = rng.random((2, 8, 8, 1), np.float32), np.eye(10, dtype=np.float32)[[3, 8]]

    def loss() -> float:
        return float(-(np.log(softmax(network.logits(images))) * label).sum())

    found = network.gradients(softmax(network.logits(images)) - label)
    for array, gradient in zip(network.parameters, found, strict=True):
        place, step = np.unravel_index(np.abs(gradient).argmax(), gradient.shape), np.float32(0.01)
        array[place] += step
        above = loss()
        array[place] -= 2 * step
        slope = (above - loss()) / (2 * step)
        array[place] += step
        assert gradient[place] == pytest.approx(slope, rel=0.02)


def test_client_counts_who_answered() -> None:
    answers = [Answer(True, 0.001, "device")] * 3 + [Answer(False, 0.005, "target:cloud")]
    expected = "accuracy 0.750 (4 images)   p50 1.0 ms   p99 4.9 ms   answered by: device 3, target:cloud 1"
    assert str(summarise(answers)) == expected


@pytest.fixture(scope="module")
def ask() -> vad_client.Ask:
    """silero-vad in this process; its wheel comes from the package registry, once."""
    try:
        path = fetch.fetch("silero_vad.onnx")
    except subprocess.CalledProcessError:
        pytest.skip("the silero-vad wheel cannot be downloaded here")
    session = measure.load(path)
    names = ["output", "stateN"]
    return lambda tensors: dict(zip(names, session.run(names, tensors), strict=True))


@pytest.mark.parametrize(
    ("recording", "stretches"), [("ten-of-clubs", 1), ("five-five", 2), ("go-forward-ten-meters", 1)]
)
def test_second_model_hears_each_phrase_of_a_recording(ask: vad_client.Ask, recording: str, stretches: int) -> None:
    samples = vad_client.read_wav(SPEECH / f"{recording}.wav")
    found = vad_client.spoken(vad_client.probabilities(samples, ask), vad_client.Rule())
    assert len(found) == stretches
    assert found[0][0] > 0.15, "every recording begins with silence"
    assert found[-1][1] < len(samples) / vad_client.RATE, "and ends with it"


@pytest.mark.parametrize("sound", ["silence", "noise", "tone"])
def test_second_model_hears_nobody_in_what_is_no_speech(ask: vad_client.Ask, sound: str) -> None:
    time = np.arange(2 * vad_client.RATE) / vad_client.RATE
    samples = {
        "silence": 0 * time,
        "noise": 0.1 * np.random.default_rng(0).standard_normal(len(time)),
        "tone": 0.3 * np.sin(2 * np.pi * 1000 * time),
    }[sound]
    assert max(vad_client.probabilities(samples.astype(np.float32), ask)) < 0.1


def test_second_models_manifest_pins_the_fetched_file() -> None:
    manifest = yaml.safe_load((train.EXAMPLES / "04-second-model" / "edgemodel.yaml").read_text())
    assert manifest["spec"]["variants"][0]["source"]["sha256"] == fetch.FILES["silero_vad.onnx"].sha256
