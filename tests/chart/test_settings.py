"""What the chart tells the operator, read by the operator's own code: the two cannot drift apart."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgewise.controller.settings import OperatorSettings, read
from tests.chart.helm import NAMESPACE, RELEASE, Helm, environment, operator_container

# Of the process itself, and no administrator's business.
LEFT_TO_THE_OPERATOR = {"identity", "reports_port", "metrics_port", "workers", "census_interval"}
DEFAULT_FLAVOURS = ("cpu", "jetson-6", "jetson-7", "openvino")  # no coral: libedgetpu is in no distribution

# (values, member of the settings, what the operator reads there)
TOLD: dict[str, tuple[dict[str, Any], str, object]] = {
    "its namespace": ({}, "namespace", NAMESPACE),
    "its lease": ({}, "lease_name", f"{RELEASE}-operator"),
    "where devices report": ({}, "reports_url", f"https://{RELEASE}-reports.{NAMESPACE}.svc:9443/v1/report"),
    "where devices report over a VPN": (
        {"reports": {"url": "https://10.8.0.1:443/v1/report"}},
        "reports_url",
        "https://10.8.0.1:443/v1/report",
    ),
    "a certificate of one's own": ({"reports": {"certificateSecret": "mine"}}, "certificate_secret", "mine"),
    "how many may report at the same time": ({"reports": {"connections": 64}}, "report_connections", 64),
    "no chosen image by default": ({}, "images", {}),
    "a chosen image": ({"runtimeImages": {"jetson-6": "r.io/j:6"}}, "images", {"jetson-6": "r.io/j:6"}),
    "two chosen images": (
        {"runtimeImages": {"jetson-6": "r.io/j:6", "cpu": "r.io/c:1"}},
        "images",
        {"jetson-6": "r.io/j:6", "cpu": "r.io/c:1"},
    ),
    "the default images, from a mirror": (
        {"registry": "m:5000/x"},
        "default_images",
        {flavour: f"m:5000/x/edgewise-runtime-{flavour}:0.1.0" for flavour in DEFAULT_FLAVOURS},
    ),
    "any image by default": ({}, "allowed_images", ()),
    "allowed images": ({"allowedImages": ["r.io/a/", "r.io/b/"]}, "allowed_images", ("r.io/a/", "r.io/b/")),
    "no caches on the nodes by default": ({}, "cache_root", ""),
    "caches on the nodes": ({"cacheRoot": "/var/lib/edgewise"}, "cache_root", "/var/lib/edgewise"),
    "no files of the nodes by default": ({}, "file_root", ""),
    "files of the nodes": ({"fileRoot": "/srv/models"}, "file_root", "/srv/models"),
    "all namespaces by default": ({}, "watch_namespaces", ()),
    "namespaces to serve": ({"watchNamespaces": ["a", "b"]}, "watch_namespaces", ("a", "b")),
    "no Prometheus by default": ({}, "prometheus_url", ""),
    "a Prometheus": ({"prometheus": {"url": "http://p.m.svc:9090"}}, "prometheus_url", "http://p.m.svc:9090"),
    "nothing to show it by default": ({}, "prometheus_credentials", ""),
    "what to show it": (
        {"prometheus": {"url": "https://p:9090", "secret": "reader"}},
        "prometheus_credentials",
        "/etc/edgewise/prometheus",
    ),
    "the catalogue": ({}, "catalogue", True),
    "no catalogue": ({"catalogue": {"enabled": False}}, "catalogue", False),
    "a grace period": ({"labelGracePeriod": 60}, "label_grace", 60.0),
    "no grace period": ({"labelGracePeriod": 0}, "label_grace", 0.0),
    "a log level": ({"logLevel": "DEBUG"}, "log_level", "DEBUG"),
}


@pytest.mark.parametrize(("values", "member", "wanted"), TOLD.values(), ids=tuple(TOLD))
def test_the_operator_reads_what_the_values_say(
    helm_4: Helm, tmp_path: Path, values: dict[str, Any], member: str, wanted: object
) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    assert getattr(read([], environment(helm_4.manifests("-f", file))), member) == wanted


def test_every_setting_of_the_operator_is_told_or_left_to_it_on_purpose(helm_4: Helm) -> None:
    told = {name.removeprefix("EDGEWISE_").lower() for name in environment(helm_4.manifests())}
    assert told | LEFT_TO_THE_OPERATOR == {entry.name for entry in fields(OperatorSettings)}
    assert not told & LEFT_TO_THE_OPERATOR


def test_the_ports_are_those_the_operator_listens_on(helm_4: Helm) -> None:
    ports = {port["name"]: port["containerPort"] for port in operator_container(helm_4.manifests())["ports"]}
    assert ports == {"http": OperatorSettings().metrics_port, "reports": OperatorSettings().reports_port}
