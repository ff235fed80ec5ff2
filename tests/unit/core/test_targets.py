"""What targets and sinks make of a pod: their Secrets are mounted, where anything may leave the devices at all."""

from __future__ import annotations

from typing import Any

import pytest

from edgewise.contract.plan import SECRETS_FOLDER
from edgewise.core.children import targets
from edgewise.core.children.secrets import S3
from edgewise.core.deployment import decide
from edgewise.core.outcome import Manifest
from tests.unit.core.builders import NOW, build, deployment, model, observed

CA, CLIENT, TOKEN = {"name": "region-ca", "key": "ca.crt"}, {"name": "region-client"}, {"name": "region"}
CLOUD = {"name": "cloud", "url": "https://triton.example"}
KEYS = {"region/token", "region/username", "region/password"}
SECRETS: dict[str, tuple[list[dict[str, Any]], set[str]]] = {
    "nothing is asked of us": ([CLOUD], set()),
    "its own CA, and nothing else of that Secret": ([{**CLOUD, "tls": {"caSecretRef": CA}}], {"region-ca/ca.crt"}),
    "a client certificate": (
        [{**CLOUD, "tls": {"clientCertSecretRef": CLIENT}}],
        {"region-client/tls.crt", "region-client/tls.key"},
    ),
    "credentials": ([{**CLOUD, "credentialsSecretRef": TOKEN}], KEYS),
    "TLS by another name needs none": ([{**CLOUD, "tls": {"serverName": "triton"}}], set()),
    "those of all targets, each once": (
        [
            {**CLOUD, "credentialsSecretRef": TOKEN, "tls": {"caSecretRef": CA}},
            {"name": "peer", "deploymentRef": {"name": "big"}, "credentialsSecretRef": TOKEN},
        ],
        KEYS | {"region-ca/ca.crt"},
    ),
}


@pytest.mark.parametrize("case", SECRETS)
def test_the_secrets_of_targets(case: str) -> None:
    asked, expected = SECRETS[case]
    assert set(targets.keys(deployment(escalation={"targets": asked}))) == expected


def test_every_pod_has_them_mounted_and_starts_without_them() -> None:
    asked = [{**CLOUD, "tls": {"caSecretRef": CA}}]
    secrets, mounts = _secrets(_daemon_set({"targets": asked}))
    items = [{"key": "ca.crt", "path": "ca.crt"}]
    assert secrets == [{"secretName": "region-ca", "optional": True, "defaultMode": 0o440, "items": items}]
    assert f"{SECRETS_FOLDER}/region-ca" in mounts


def test_one_secret_that_a_source_and_a_target_share_is_mounted_once() -> None:
    asked = [{**CLOUD, "credentialsSecretRef": {"name": "registry"}}]
    secrets, _ = _secrets(_daemon_set({"targets": asked}))
    assert [one["secretName"] for one in secrets] == ["ca", "registry"]


@pytest.mark.parametrize(
    ("sink", "keys"),
    [("https://collector.example", {"token", "username", "password"}), ("s3://training/hard", {*S3})],
)
def test_of_a_sinks_secret_only_what_its_kind_of_sink_reads_is_mounted(sink: str, keys: set[str]) -> None:
    made = _daemon_set({"targets": [CLOUD], "spool": {"sink": sink, "sinkSecretRef": {"name": "sink"}}})
    ((mounted,), _) = _secrets(made)
    assert (mounted["secretName"], {item["key"] for item in mounted["items"]}) == ("sink", keys)


def test_where_nothing_may_leave_no_pod_gets_any() -> None:
    secrets, _ = _secrets(_daemon_set({"targets": [{**CLOUD, "credentialsSecretRef": TOKEN}], "privacy": "Never"}))
    assert secrets == []


def _daemon_set(escalation: dict[str, Any]) -> Manifest:
    shared = escalation["targets"][0].get("credentialsSecretRef") == {"name": "registry"}
    source = {"secretRef": {"name": "registry"}, "caSecretRef": {"name": "ca", "key": "ca.crt"}} if shared else {}
    seen = observed(deployment(escalation=escalation), models=[model("digits", build(source=source))])
    (made,) = (child for child in decide(seen, NOW).apply if child["kind"] == "DaemonSet")
    return made


def _secrets(made: Manifest) -> tuple[list[dict[str, Any]], list[str]]:
    """Of its pods: volumes that are Secrets, and where anything is mounted."""
    spec = made["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    secrets = sorted((one["secret"] for one in spec["volumes"] if "secret" in one), key=lambda one: one["secretName"])
    return secrets, [mount["mountPath"] for mount in container["volumeMounts"]]
