"""The whole way of an encrypted and signed version: `kubectl edgewise package`, the EdgeModel, the operator's plan and
pod, a file server, a device that answers."""

from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from edgewise.api.edgemodel import EdgeModel
from edgewise.cli.__main__ import app
from edgewise.contract.plan import PLAN_KEY, Plan
from edgewise.contract.trust import POLICIES, Policies
from edgewise.core.deployment import decide
from tests.runtime.agent.devices import device
from tests.runtime.agent.documents import NODE, PROFILE
from tests.runtime.agent.fileserver import FileServer, file_server
from tests.runtime.agent.tinymodels import scaling
from tests.runtime.trust.signing import known
from tests.unit.core.builders import NOW, deployment, node, observed, profile

SECRET = base64.b64encode(bytes(range(32))) + b"\n"
MODEL = scaling(2, padding=5000)
MANIFEST = """\
kind: EdgeModel
metadata: {name: digits, namespace: edge, uid: uid-of-digits, generation: 1}
spec:
  version: 1.0.0
  variants:
  - {name: fp32, format: ONNX, precision: FP32, source: {uri: "https://models.example/old.onnx", sha256: ""}}
"""
PROTECTED = ("--encrypt", "model.key", "--key-secret", "digits-key/model.key",
             "--sign", "alice.pem", "--public-key-secret", "signers/alice.pub")  # fmt: skip


def packaged(folder: Path, server: FileServer) -> EdgeModel:
    """Version 1.1.0, as a person would apply it."""
    (folder / "digits.yaml").write_text(MANIFEST)
    (folder / "fp32.onnx").write_bytes(MODEL)
    (folder / "model.key").write_bytes(SECRET)
    (folder / "alice.pem").write_bytes(known("alice").private)
    arguments = ["fp32=fp32.onnx", "--into", "digits.yaml", "--version", "1.1.0", "--out", "out", "--url", server.url]
    with contextlib.chdir(folder):
        done = CliRunner().invoke(app, ["package", *arguments, *PROTECTED])
    assert done.exit_code == 0, done.stderr
    for path in (folder / "out").rglob("*"):
        if path.is_file():
            server.add(f"/{path.relative_to(folder / 'out')}", path.read_bytes())
    return EdgeModel.model_validate(yaml.safe_load((folder / "digits.yaml").read_text()))


def planned(of: EdgeModel) -> tuple[Plan, dict[str, Any]]:
    """The plan, and the pod that is to follow it."""
    seen = observed(deployment(), models=[of], profiles=(profile(PROFILE),), nodes=(node(NODE, device=PROFILE),))
    children = {one["kind"]: one for one in decide(seen, NOW).apply}
    pod: dict[str, Any] = children["DaemonSet"]["spec"]["template"]["spec"]
    return Plan.model_validate_json(children["ConfigMap"]["data"][PLAN_KEY]), pod


def demands(pod: dict[str, Any]) -> Policies:
    (variable,) = (one["value"] for one in pod["containers"][0]["env"] if one["name"] == "EDGEWISE_TRUST")
    return POLICIES.validate_json(variable)


def mounted(pod: dict[str, Any], secrets: Path) -> None:
    """What a kubelet lays down of the two Secrets: the keys that the pod names, and no others."""
    held = {"digits-key": {"model.key": SECRET}, "signers": {"alice.pub": known("alice").public, "bob.pub": b""}}
    for volume in (one["secret"] for one in pod["volumes"] if "secret" in one):
        for item in volume["items"]:
            path = secrets / volume["secretName"] / item["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(held[volume["secretName"]][item["key"]])


async def test_an_encrypted_and_signed_version_goes_all_the_way(tmp_path: Path) -> None:
    async with file_server() as server:
        plan, pod = planned(packaged(tmp_path, server))
        mounted(pod, tmp_path / "device" / "secrets")
        async with device(tmp_path / "device", demands(pod)) as edge:
            await edge.follow(plan)
            await edge.until_serving(plan.target)
            assert edge.answer() == 2
    (model,) = plan.releases[0].models
    assert MODEL[100:164] not in b"".join(server.files.values())
    assert model.builds[0].source.uri == f"{server.url}/fp32.onnx.sealed"
    assert "BEGIN" not in json.dumps(pod)
    assert SECRET.decode().strip() not in plan.model_dump_json()
