"""Encrypted models: where their key goes, and what the operator has to do with it (next to nothing)."""

from __future__ import annotations

import json
from typing import Any

from edgewise.contract.plan import PLAN_KEY, SECRETS_FOLDER
from edgewise.core.deployment import decide
from edgewise.core.outcome import Manifest
from tests.unit.core.builders import NOW, deployment, model, observed
from tests.unit.core.fleets import CPU, PI, settled

ENCRYPTED: dict[str, Any] = {"encryption": {"keySecretRef": {"name": "model-key", "key": "aes"}}}


def child(kind: str, **spec: Any) -> Manifest:
    made = decide(observed(deployment(), models=[model("digits", **spec)]), NOW).apply
    return next(one for one in made if one["kind"] == kind and not one["metadata"]["name"].endswith("-gateway"))


def test_the_key_and_no_other_of_its_secret_is_mounted_optionally() -> None:
    pod = child("DaemonSet", **ENCRYPTED)["spec"]["template"]["spec"]
    (volume,) = (one for one in pod["volumes"] if one.get("secret", {}).get("secretName") == "model-key")
    assert volume["secret"] == {
        "secretName": "model-key", "optional": True, "defaultMode": 0o440, "items": [{"key": "aes", "path": "aes"}],
    }  # fmt: skip
    mounts = {one["name"]: one["mountPath"] for one in pod["containers"][0]["volumeMounts"]}
    assert mounts[volume["name"]] == f"{SECRETS_FOLDER}/model-key"


def test_the_plan_says_which_key_and_nothing_more() -> None:
    (planned,) = json.loads(child("ConfigMap", **ENCRYPTED)["data"][PLAN_KEY])["releases"][0]["models"]
    assert planned["encryption"] == ENCRYPTED["encryption"]
    assert "encryption" not in child("ConfigMap")["data"][PLAN_KEY]


def test_pods_are_replaced_for_a_key_they_lack_and_not_for_one_they_no_longer_need() -> None:
    made = settled(PI, [CPU], [model("digits")])
    plain = {name: one.template for name, one in made.pods.items()}
    made.release(model("digits", version="2.0.0", **ENCRYPTED))
    made.settle(rounds=20)
    encrypted = {name: one.template for name, one in made.pods.items()}
    assert made.ready == ("True", "Serving")
    assert all(encrypted[name] != template for name, template in plain.items())
    made.release(model("digits", version="3.0.0"))
    made.settle(rounds=20)
    assert {name: one.template for name, one in made.pods.items()} == encrypted
