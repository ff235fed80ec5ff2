"""The operator at work as its own service account: no call is refused, and no right it has goes unused."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.chart.conftest import CONTROLLERS, create_namespace
from tests.chart.errands import Errands
from tests.chart.helm import CHART, NAMESPACE, OPERATOR, RELEASE, Helm, environment
from tests.chart.permissions import granted, refused, used
from tests.chart.world import PROFILES, exists
from tests.cluster.apiserver import ApiServer, api_server
from tests.cluster.cluster import Cluster, users_kubeconfig
from tests.cluster.ports import free_port
from tests.cluster.process import Process, Records
from tests.cluster.waiting import wait_for

PLACES: dict[str, dict[str, Any]] = {"everywhere": {}, "in one namespace": {"watchNamespaces": ["default"]}}


@pytest.fixture
def with_pods() -> Iterator[ApiServer]:
    """An API server on which a DaemonSet makes pods, which nobody runs."""
    with api_server(controllers=f"{CONTROLLERS},daemonset-controller") as api:
        create_namespace(api)
        yield api


@pytest.mark.apiserver
@pytest.mark.parametrize("values", PLACES.values(), ids=tuple(PLACES))
def test_the_operator_needs_the_rights_it_has_and_has_the_rights_it_needs(
    helm_4: Helm, with_pods: ApiServer, tmp_path: Path, values: dict[str, Any]
) -> None:
    api, helm = with_pods, replace(helm_4, kubeconfig=with_pods.kubeconfig)
    chosen = [f"--set-json={key}={json.dumps(value)}" for key, value in {**values, "labelGracePeriod": 0}.items()]
    helm.run("install", RELEASE, CHART, "-n", NAMESPACE, *chosen)
    with operator(api, environment(helm.manifests(*chosen)), tmp_path) as process:
        Errands(api, process).run()
    assert refused(api.audit_log, OPERATOR[0]) == []
    assert used(api.audit_log, OPERATOR[0]) == granted(helm.manifests(*chosen))


@pytest.mark.cluster
def test_in_all_the_end_to_end_tests_no_call_was_refused() -> None:
    # Collected as the last test of a session (conftest.py): by then the operator has met whatever it meets there.
    if users_kubeconfig():
        pytest.skip("the audit log of a cluster of your own is out of reach")
    log = Cluster().audit_log
    assert used(log, OPERATOR[0]), "the operator has not run on the test cluster"
    # An uninstall takes the Role away before the operator has laid down its Lease; that call may come too late.
    assert [call for call in refused(log, OPERATOR[0]) if "/leases/" not in call] == []


@contextmanager
def operator(api: ApiServer, told: dict[str, str], folder: Path) -> Iterator[Process]:
    """The real operator as a process, with the environment of the chart and the identity of its service account."""
    ports = {f"EDGEWISE_{name}_PORT": str(free_port()) for name in ("METRICS", "REPORTS")}
    env = {**os.environ, **told, **ports, "KUBECONFIG": str(api.kubeconfig_for(*OPERATOR))}
    process = Records(folder).start("operator", [sys.executable, "-m", "edgewise.handlers"], env)
    try:
        wait_for("the catalogue is there", lambda: exists(api, f"{PROFILES}/raspberry-pi-4"), process)
        yield process
    finally:
        process.stop(grace=15)
