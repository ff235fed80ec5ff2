"""What the chart renders: the golden file, and what each value changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgewise.api import names
from edgewise.api.deviceprofile import DeviceProfile
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.gateway import Gateway
from edgewise.core.children import gateway, pods
from tests.chart.golden import GOLDEN, rendered
from tests.chart.helm import CHART, RELEASE, Helm, environment, one, operator_container, operator_pod
from tests.cluster.binaries import KUBERNETES_VERSION

DIGEST = f"sha256:{'a' * 64}"

IMAGES = {
    "by default": ([], "registry.edgewise.dev/edgewise-operator:0.1.0"),
    "from a mirror": (["registry=mirror.local:5000/edge"], "mirror.local:5000/edge/edgewise-operator:0.1.0"),
    "named in full": (["image.repository=example.com/op", "image.tag=dev"], "example.com/op:dev"),
    "pinned: the digest wins over the tag": (
        ["image.tag=dev", f"image.digest={DIGEST}"],
        f"registry.edgewise.dev/edgewise-operator@{DIGEST}",
    ),
}

# What a value puts into the Deployment's pod: (setting, path in the pod spec, what must be there).
POD_SETTINGS = {
    "imagePullSecrets": ("imagePullSecrets=[{name: mine}]", "imagePullSecrets", [{"name": "mine"}]),
    "priorityClassName": ("priorityClassName=high", "priorityClassName", "high"),
    "nodeSelector": ("nodeSelector={zone: a}", "nodeSelector", {"zone": "a", "kubernetes.io/os": "linux"}),
    "tolerations": ("tolerations=[{operator: Exists}]", "tolerations", [{"operator": "Exists"}]),
    "affinity": ("affinity={podAffinity: {a: b}}", "affinity", {"podAffinity": {"a": "b"}}),
}


def set_flags(settings: list[str]) -> list[str]:
    return [flag for setting in settings for flag in ("--set", setting)]


def test_the_default_values_render_what_the_golden_file_shows(helm: Helm) -> None:
    assert rendered(helm) == GOLDEN.read_text(), "if the change is meant: python -m tests.chart.golden"


def test_the_chart_carries_all_three_kinds_kept_on_uninstall(helm: Helm) -> None:
    kinds = [m for m in helm.manifests() if m["kind"] == "CustomResourceDefinition"]
    assert sorted(kind["spec"]["names"]["kind"] for kind in kinds) == ["DeviceProfile", "EdgeDeployment", "EdgeModel"]
    assert {kind["metadata"]["annotations"]["helm.sh/resource-policy"] for kind in kinds} == {"keep"}


def test_the_kinds_go_with_the_release_only_when_asked(helm_4: Helm) -> None:
    kinds = [m for m in helm_4.manifests("--set", "crds.keep=false") if m["kind"] == "CustomResourceDefinition"]
    assert kinds
    assert all("annotations" not in kind["metadata"] for kind in kinds)


@pytest.mark.parametrize(("settings", "image"), IMAGES.values(), ids=tuple(IMAGES))
def test_the_operator_image_is_named(helm_4: Helm, settings: list[str], image: str) -> None:
    assert operator_container(helm_4.manifests(*set_flags(settings)))["image"] == image


@pytest.mark.parametrize(("setting", "member", "wanted"), POD_SETTINGS.values(), ids=tuple(POD_SETTINGS))
def test_a_value_reaches_the_operator_pod(
    helm_4: Helm, tmp_path: Path, setting: str, member: str, wanted: object
) -> None:
    key, _, value = setting.partition("=")
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump({key: yaml.safe_load(value)}))
    assert operator_pod(helm_4.manifests("-f", file))["spec"][member] == wanted


def test_the_secret_for_prometheus_is_mounted_where_the_operator_looks_for_it(helm_4: Helm) -> None:
    manifests = helm_4.manifests("--set", "prometheus.secret=reader")
    mounts = {mount["name"]: mount["mountPath"] for mount in operator_container(manifests)["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in operator_pod(manifests)["spec"]["volumes"]}
    assert volumes["prometheus"]["secret"]["secretName"] == "reader"
    assert mounts["prometheus"] == environment(manifests)["EDGEWISE_PROMETHEUS_CREDENTIALS"]


def test_annotations_reach_the_pod(helm_4: Helm) -> None:
    assert operator_pod(helm_4.manifests("--set", "podAnnotations.team=edge"))["metadata"]["annotations"] == {
        "team": "edge"
    }


def test_two_releases_share_no_name(helm_4: Helm) -> None:
    def named(release: str) -> set[tuple[str, str]]:
        flags = ("--kube-version", KUBERNETES_VERSION, "--set", "crds.enabled=false")
        text = helm_4.run("template", release, CHART, *flags)
        return {(m["kind"], m["metadata"]["name"]) for m in yaml.safe_load_all(text)}

    assert not named("north") & named("south")


def test_the_network_policy_opens_ports_that_the_pod_has(helm_4: Helm) -> None:
    manifests = helm_4.manifests("--set", "networkPolicy.enabled=true")
    spec = one(manifests, "NetworkPolicy")["spec"]
    opened = {port["port"] for rule in spec["ingress"] for port in rule["ports"]}
    assert opened == set(_ports(operator_pod(manifests)["spec"]))
    assert _selects(spec["podSelector"], operator_pod(manifests))


def test_the_service_leads_to_the_reports_port(helm_4: Helm) -> None:
    manifests = helm_4.manifests()
    spec = one(manifests, "Service", f"{RELEASE}-reports")["spec"]
    (port,) = spec["ports"]
    assert port["port"] == names.REPORT_PORT
    assert _ports(operator_pod(manifests)["spec"])[port["targetPort"]] == names.REPORT_PORT
    assert _selects({"matchLabels": spec["selector"]}, operator_pod(manifests))


def test_the_pod_monitors_find_the_operator_and_the_devices(helm_4: Helm) -> None:
    manifests = helm_4.manifests(
        "--set", "metrics.podMonitor.enabled=true", "--set", "metrics.podMonitor.labels.team=edge"
    )
    operator, devices = (one(manifests, "PodMonitor", name) for name in (RELEASE, f"{RELEASE}-devices"))
    for monitor, template in ((operator, operator_pod(manifests)), (devices, _device_pod())):
        assert monitor["metadata"]["labels"]["team"] == "edge"
        assert _selects(monitor["spec"]["selector"], template)
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        assert endpoint["port"] in _ports(template["spec"])
        assert set(monitor["spec"].get("podTargetLabels", ())) <= set(template["metadata"]["labels"])
    assert _selects(devices["spec"]["selector"], _gateway_pod()), "it answers as they do"


def _deployment() -> EdgeDeployment:
    return EdgeDeployment.model_validate(
        {"metadata": {"name": "d", "namespace": "n"}, "spec": {"models": [{"name": "m"}]}}
    )


def _gateway_pod() -> dict[str, Any]:
    """The pod that the operator makes, from its own code."""
    made: dict[str, Any] = gateway.workload(_deployment(), Gateway(), gateway.Post("image", ("p",)))
    template: dict[str, Any] = made["spec"]["template"]
    return template


def _device_pod() -> dict[str, Any]:
    """Likewise."""
    deployment = _deployment()
    term = {"matchExpressions": [{"key": "a", "operator": "Exists"}]}
    spec = {"nodeSelectorTerms": [term], "variants": [{"format": "ONNX", "precision": "FP32"}]}
    profile = DeviceProfile.model_validate({"metadata": {"name": "p"}, "spec": spec})
    return pods.template(deployment, profile, pods.inputs(deployment, profile, "image", 1, ()), {})


def _ports(spec: Mapping[str, Any]) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for container in spec["containers"] for port in container["ports"]}


def _selects(selector: Mapping[str, Any], template: Mapping[str, Any]) -> bool:
    labels = template["metadata"]["labels"]
    listed = all(labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", ()))
    return listed and bool(selector.get("matchLabels", {}).items() <= labels.items())
