"""`kubectl edgewise calibrate`, run as a person runs it: a real API server, a real runtime behind a Service, Triton."""

from __future__ import annotations

import asyncio
import copy
import os
import re
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from edgewise.api.confidence import Confidence
from examples.models.digits.train import HERE
from tests.apiserver.test_crds import apply, objects
from tests.cases.manifests import SMALL_DEPLOYMENT, SMALL_MODEL, Manifest
from tests.cloud.triton import Triton
from tests.cluster.apiserver import ApiServer
from tests.cluster.paths import REPOSITORY
from tests.runtime.serving import Running, running, served

pytestmark = pytest.mark.apiserver

DEFAULT = {"metadata": {"name": "default"}}
ESCALATION = {"targets": [{"name": "cloud", "url": "http://triton:8000"}], "budget": {"ratio": "0.20"}}


@dataclass(frozen=True)
class Stage:
    """An EdgeModel and its EdgeDeployment of one name, a device behind the Service, and labelled examples."""

    api: ApiServer
    name: str
    device: Running
    data: Path

    def manifest(self, small: Manifest, **spec: Any) -> Manifest:
        made = copy.deepcopy(small)
        made["metadata"]["name"] = self.name
        made["spec"] |= {"models": [{"name": self.name}]} if made["kind"] == "EdgeDeployment" else {}
        made["spec"] |= spec
        return made

    def apply(self, small: Manifest, manager: str = "flux", **spec: Any) -> None:
        apply(self.api.client, self.manifest(small, **spec), manager)

    def spec(self, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.client.get(f"{objects(kind)}/{self.name}")["spec"]
        return found

    async def calibrate(self, *arguments: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig or self.api.kubeconfig), "COLUMNS": "160"}
        argv = (sys.executable, "-m", "edgewise.cli", "calibrate", self.name, *arguments)
        return await asyncio.to_thread(
            subprocess.run, argv, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    async def refusal(self, *arguments: str, kubeconfig: Path | None = None) -> str:
        """The one line that says why."""
        result = await self.calibrate(*arguments, kubeconfig=kubeconfig)
        assert (result.returncode, result.stdout) == (1, "")
        (line,) = result.stderr.splitlines()
        return line


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 held-out digits, as a client sends them, by the lines that docs/hybrid.md shows."""
    folder = tmp_path_factory.mktemp("data")
    section = (REPOSITORY / "docs" / "hybrid.md").read_text().partition("## Calibrate\n")[2]
    lines = section.partition("python - <<'END'\n")[2].partition("\nEND\n")[0]
    (folder / "examples").symlink_to(REPOSITORY / "examples")
    subprocess.run([sys.executable, "-c", lines], cwd=folder, check=True)
    with np.load(folder / "digits.npz") as arrays:
        chosen = np.linspace(0, 999, 400).astype(int)
        np.savez(folder / "some.npz", **{name: array[chosen] for name, array in arrays.items()})
    return folder / "some.npz"


@pytest.fixture
async def stage(with_kinds: ApiServer, data: Path) -> AsyncIterator[Stage]:
    """Of digits; its manifests say nothing of a temperature or a threshold."""
    name = f"digits-{uuid.uuid4().hex[:8]}"
    confidence = Confidence(output="logits", method="SoftmaxMax")
    model = served(HERE / "digits-fp32-1.0.0.onnx", name, confidence=confidence)
    async with running(model, host="0.0.0.0") as device:
        stage = Stage(with_kinds, name, device, data)
        stage.apply(SMALL_MODEL, task="Classification", confidence={"output": "logits"})
        stage.apply(SMALL_DEPLOYMENT, escalation=ESCALATION)
        _expose(with_kinds, name, int(device.address.rpartition(":")[2]))
        yield stage


def _expose(api: ApiServer, name: str, port: int) -> None:
    """A Service that leads to a port of this machine; the API server passes nothing on to a loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # nothing is sent
        address = probe.getsockname()[0]
    core, metadata = "/api/v1/namespaces/default", {"metadata": {"name": name}}
    ports = [{"name": "http", "port": 8000, "targetPort": port, "protocol": "TCP"}]
    api.client.post(f"{core}/services", {**metadata, "spec": {"ports": ports}})
    api.client.apply(f"{core}/serviceaccounts/default", {"apiVersion": "v1", "kind": "ServiceAccount", **DEFAULT})
    containers = [{"name": "runtime", "image": "runtime:1"}]
    api.client.post(f"{core}/pods", {**metadata, "spec": {"containers": containers, "serviceAccountName": "default"}})
    api.client.patch(f"{core}/pods/{name}/status", {"status": {"podIP": address, "podIPs": [{"ip": address}]}})
    pod = {"kind": "Pod", "name": name, "namespace": "default"}
    slice_ = {
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}, "targetRef": pod}],
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
    }
    api.client.post("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", slice_)
    subset = {"addresses": [{"ip": address, "targetRef": pod}], "ports": [{"name": "http", "port": port}]}
    api.client.post(f"{core}/endpoints", {**metadata, "subsets": [subset]})


def found(result: subprocess.CompletedProcess[str]) -> tuple[str, str]:
    """Temperature and threshold of the YAML on standard output, which holds nothing else."""
    model, deployment = yaml.safe_load_all(result.stdout)
    assert (model["kind"], deployment["kind"]) == ("EdgeModel", "EdgeDeployment")
    assert list(model["spec"]) == ["confidence"]
    return model["spec"]["confidence"]["temperature"], deployment["spec"]["escalation"]["when"]["confidenceBelow"]


async def test_a_device_is_asked_through_the_api_server_and_nothing_is_written(stage: Stage) -> None:
    result = await stage.calibrate("-n", "default", "--data", str(stage.data), "--offload", "0.3")
    assert result.returncode == 0, result.stderr
    temperature, below = found(result)
    assert 0.5 < float(temperature) < 1.5
    assert 0.5 < float(below) < 1
    assert "on 200 examples that had no say" in result.stderr
    asked = re.search(r"asks for help +([\d.]+)% +([\d.]+)%", result.stderr)
    assert asked
    assert 15 < float(asked[2]) < 45
    assert stage.spec("EdgeModel")["confidence"] == {"output": "logits", "temperature": "1.0"}
    assert "confidenceBelow" not in stage.spec("EdgeDeployment")["escalation"]["when"]


async def test_without_a_wish_the_budget_says_how_much_may_be_asked(stage: Stage) -> None:
    by_budget = await stage.calibrate("--data", str(stage.data))
    by_wish = await stage.calibrate("--data", str(stage.data), "--offload", "0.2")
    assert found(by_budget) == found(by_wish)


async def test_a_device_can_be_named_and_a_real_triton_asked_beside_it(
    stage: Stage, triton: Triton, tmp_path: Path
) -> None:
    device, cloud, png = f"http://{stage.device.address}", f"{triton.url}/v2/models/digits", tmp_path / "curves.png"
    result = await stage.calibrate(
        "--data", str(stage.data), "--url", device, "--cloud", cloud, "--accuracy", "0.975", "--plot", str(png)
    )
    assert result.returncode == 0, result.stderr
    assert re.search(r"accuracy of the bigger model alone +0\.9[89]", result.stderr)
    together = re.search(r"accuracy together .* (0\.\d+) \(0\.\d+ to [01]\.\d+\)$", result.stderr, re.MULTILINE)
    assert together
    assert float(together[1]) > 0.96
    assert png.read_bytes().startswith(b"\x89PNG")


async def test_writing_sets_the_two_fields_and_takes_nothing_else_over(stage: Stage) -> None:
    arguments = ("--data", str(stage.data), "--offload", "0.3")
    temperature, below = found(await stage.calibrate(*arguments))
    before = stage.spec("EdgeDeployment")
    for _ in range(2):  # the second time it owns them
        result = await stage.calibrate(*arguments, "--write")
        assert (result.returncode, result.stdout) == (0, ""), result.stderr
        assert f"written: EdgeModel {stage.name}, EdgeDeployment {stage.name}" in result.stderr
        assert stage.spec("EdgeModel")["confidence"]["temperature"] == temperature
        assert stage.spec("EdgeDeployment")["escalation"]["when"]["confidenceBelow"] == below
    after = stage.spec("EdgeDeployment")
    del after["escalation"]["when"]["confidenceBelow"]
    assert after == before
    managed = stage.api.client.get(f"{objects('EdgeModel')}/{stage.name}")["metadata"]["managedFields"]
    (ours,) = [entry for entry in managed if entry["manager"] == "edgewise-calibrate"]
    assert ours["fieldsV1"] == {"f:spec": {"f:confidence": {"f:temperature": {}}}}


@pytest.mark.parametrize("kind", ["EdgeModel", "EdgeDeployment"])
async def test_a_field_that_git_owns_is_left_alone_and_its_owner_named(stage: Stage, kind: str) -> None:
    if kind == "EdgeModel":
        stage.apply(SMALL_MODEL, "kustomize-controller", confidence={"output": "logits", "temperature": "7"})
    else:
        stage.apply(SMALL_DEPLOYMENT, "kustomize-controller", escalation={"when": {"confidenceBelow": "0.85"}})
    before = stage.spec("EdgeModel"), stage.spec("EdgeDeployment")
    result = await stage.calibrate("--data", str(stage.data), "--offload", "0.3", "--write")
    assert result.returncode == 1
    said = result.stderr.splitlines()[-1]
    field = ".spec.confidence.temperature" if kind == "EdgeModel" else ".spec.escalation.when.confidenceBelow"
    assert 'conflict with "kustomize-controller"' in said
    assert field in said
    assert said.endswith("these fields belong to somebody else: change them where those manifests are kept")
    found(result)  # the YAML for that place
    assert (stage.spec("EdgeModel"), stage.spec("EdgeDeployment")) == before


async def test_a_deployment_that_asks_nobody_gets_a_temperature_only(stage: Stage, tmp_path: Path) -> None:
    alone = stage.manifest(SMALL_DEPLOYMENT)
    alone["metadata"]["name"] += "-alone"
    apply(stage.api.client, alone, "flux")
    logits = _logits(tmp_path)
    lonely = Stage(stage.api, alone["metadata"]["name"], stage.device, stage.data)
    result = await lonely.calibrate("--logits", str(logits), "--offload", "0.3")
    assert result.returncode == 0, result.stderr
    (model,) = yaml.safe_load_all(result.stdout)
    assert model["metadata"]["name"] == stage.name
    assert "has no spec.escalation: nobody to ask, so no threshold" in result.stderr


def _logits(folder: Path) -> Path:
    """Of a model that is three times too sure."""
    rng = np.random.default_rng(0)
    labels = np.arange(1000) % 4
    logits = 3 * (rng.normal(0, 1, (1000, 4)) + 2 * np.eye(4)[labels])
    path = folder / "logits.npz"
    np.savez(path, logits=logits, labels=labels)
    return path


async def test_logits_taken_elsewhere_need_no_device(stage: Stage, tmp_path: Path) -> None:
    temperature, _ = found(await stage.calibrate("--logits", str(_logits(tmp_path)), "--offload", "0.3"))
    assert 1.0 < float(temperature) < 2.0


async def test_what_cannot_be_asked_is_refused_with_what_to_change(stage: Stage, tmp_path: Path) -> None:
    with np.load(stage.data) as arrays:
        image, labels = arrays["image"], arrays["labels"]
    cases: list[tuple[dict[str, Any], str]] = [
        ({"image": image}, "has no array labels (it has image)"),
        ({"labels": labels}, "add an array for each input of the model"),
        ({"picture": image, "labels": labels}, "takes image FP32 [-1, 1, 28, 28]; the file has picture"),
        ({"image": image[:9], "labels": labels}, "image in"),
        ({"image": (image * 255).astype(np.uint8), "labels": labels}, "image is uint8 [400, 1, 28, 28], the model"),
        ({"image": image[:, 0], "labels": labels}, "image is float32 [400, 28, 28], the model wants FP32"),
        ({"image": image, "labels": labels + 3}, "label 12 is none of the model's 10 classes"),
        ({"image": image[:50], "labels": labels[:50]}, "50 examples are too few"),
        ({"image": image * np.nan, "labels": labels}, "is not finite for example 0"),
    ]
    for number, (arrays, said) in enumerate(cases):
        path = tmp_path / f"{number}.npz"
        np.savez(path, **arrays)
        assert said in await stage.refusal("--data", str(path), "--url", f"http://{stage.device.address}")


async def test_what_makes_no_sense_to_ask_is_told_before_anybody_is_asked(stage: Stage, tmp_path: Path) -> None:
    data = ("--data", str(stage.data))
    text = tmp_path / "set.npz"
    text.write_text("0,1,2")
    cases = [
        ((), "give labelled examples with --data, or logits with --logits"),
        ((*data, "--offload", "0.3", "--accuracy", "0.9"), "say one of two"),
        ((*data, "--offload", "30"), "30 is no share"),
        ((*data, "--model", "other"), f"serves {stage.name}: name one of them with --model"),
        ((*data, "--url", "triton:8000"), "is no http or https URL; write it as http://192.0.2.7:8000"),
        ((*data, "--url", "http://127.0.0.1:1"), "no answer from http://127.0.0.1:1: "),
        ((*data, "--url", f"http://{stage.device.address}/v2/models/none"), "answered 404: "),
        (("--data", str(text)), f"cannot read {text}"),
        (("--data", str(tmp_path / "none.npz")), f"cannot read {tmp_path / 'none.npz'}"),
    ]
    for arguments, said in cases:
        assert said in await stage.refusal(*arguments)


async def test_a_model_whose_confidence_no_temperature_changes_is_refused(stage: Stage) -> None:
    stage.apply(SMALL_MODEL, task="Regression", confidence={"output": "logits"})
    line = await stage.refusal("--data", str(stage.data))
    assert "no temperature changes how sure EdgeModel" in line
    assert line.endswith("SoftmaxMax, Margin, Entropy, and Score with a threshold")


async def test_an_anomaly_model_is_calibrated_by_its_scores_and_threshold(stage: Stage, tmp_path: Path) -> None:
    rng, labels = np.random.default_rng(0), np.arange(1000) % 2
    scores = rng.normal(0, 1, 1000) + 2 * labels  # log odds 2 (score - 1)
    np.savez(tmp_path / "scores.npz", logits=scores[:, None], labels=labels)
    stage.apply(SMALL_MODEL, task="Anomaly", confidence={"output": "score", "threshold": "1"})
    result = await stage.calibrate("--logits", str(tmp_path / "scores.npz"), "--accuracy", "0.9")
    assert result.returncode == 0, result.stderr
    assert float(found(result)[0]) == pytest.approx(0.5, abs=0.1)


async def test_a_guarded_deployment_wants_a_device_to_be_named(stage: Stage) -> None:
    stage.apply(SMALL_DEPLOYMENT, escalation=ESCALATION, serving={"auth": {"tokenSecretRef": {"name": "clients"}}})
    assert "name a device with --url" in await stage.refusal("--data", str(stage.data))


async def test_a_right_that_is_missing_is_named(stage: Stage) -> None:
    stranger = stage.api.kubeconfig_for("stranger")
    line = await stage.refusal("--data", str(stage.data), kubeconfig=stranger)
    assert 'User "stranger" cannot get resource "edgedeployments"' in line
