"""helm 3 and helm 4 as the tests use them: the real programs, with a home of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.binaries import KUBERNETES_VERSION
from tests.cluster.paths import REPOSITORY

CHART = REPOSITORY / "charts" / "edgewise"
RELEASE = "edgewise"
NAMESPACE = "edgewise-system"
OPERATOR = (f"system:serviceaccount:{NAMESPACE}:{RELEASE}", "system:serviceaccounts", "system:authenticated")
"""The operator, as the API server knows it: user and groups."""

Manifest = Mapping[str, Any]


class HelmError(RuntimeError):
    """helm refused; the text is what it told the user."""


@dataclass(frozen=True)
class Helm:
    """One helm; `home` keeps the user's own configuration out of the tests."""

    binary: Path
    home: Path
    kubeconfig: Path | None = None

    def run(self, *arguments: object) -> str:
        """Standard output. Raises `HelmError` with standard error."""
        homes = {f"HELM_{name}_HOME": str(self.home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        kubeconfig = {"KUBECONFIG": str(self.kubeconfig or self.home / "none")}
        words = [str(word) for word in (self.binary, *arguments)]
        done = subprocess.run(
            words, env={**os.environ, **homes, **kubeconfig}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise HelmError(f"{' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def render(self, *flags: object, chart: Path = CHART) -> str:
        """The chart's manifests as text."""
        return self.run("template", RELEASE, chart, "-n", NAMESPACE, "--kube-version", KUBERNETES_VERSION, *flags)

    def manifests(self, *flags: object) -> list[Manifest]:
        """The chart's manifests, parsed."""
        return [document for document in yaml.safe_load_all(self.render(*flags)) if document]


def one(manifests: list[Manifest], kind: str, name: str = "") -> Manifest:
    """The only manifest of that kind (and name)."""
    (found,) = (m for m in manifests if m["kind"] == kind and name in ("", m["metadata"]["name"]))
    return found


def operator_pod(manifests: list[Manifest]) -> dict[str, Any]:
    """The PodTemplateSpec of the operator."""
    template: dict[str, Any] = one(manifests, "Deployment")["spec"]["template"]
    return template


def operator_container(manifests: list[Manifest]) -> dict[str, Any]:
    (container,) = operator_pod(manifests)["spec"]["containers"]
    found: dict[str, Any] = container
    return found


def environment(manifests: list[Manifest]) -> dict[str, str]:
    """The operator's environment as the kubelet makes it; the API server leaves empty values out."""
    of_the_pod = {"metadata.namespace": NAMESPACE}
    return {
        entry["name"]: of_the_pod[entry["valueFrom"]["fieldRef"]["fieldPath"]]
        if "valueFrom" in entry
        else entry.get("value", "")
        for entry in operator_container(manifests)["env"]
    }
