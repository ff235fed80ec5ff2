"""The chart's life with a real API server: install, upgrade, uninstall, reinstall, by both helms, and across them.

There are no kubelets here, so helm does not wait for the rollout; the end-to-end tests on the whole cluster do.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chart.helm import CHART, NAMESPACE, RELEASE, Helm, HelmError, environment
from tests.chart.world import MODEL, MODELS, exists
from tests.cluster.apiserver import ApiServer
from tests.cluster.waiting import wait_for

pytestmark = pytest.mark.apiserver

DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{RELEASE}"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
POLICY = f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{RELEASE}-node-labels"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"


def install(helm: Helm, *flags: object) -> str:
    return helm.run("install", RELEASE, CHART, "-n", NAMESPACE, *flags)


def upgrade(helm: Helm, *flags: object) -> str:
    return helm.run("upgrade", RELEASE, CHART, "-n", NAMESPACE, *flags)


def uninstall(helm: Helm) -> str:
    return helm.run("uninstall", RELEASE, "-n", NAMESPACE)


def grace(api: ApiServer) -> str:
    return environment([api.client.get(DEPLOYMENT)])["EDGEWISE_LABEL_GRACE"]


def test_install_upgrade_uninstall_reinstall_keeps_what_users_made(helm: Helm, fresh: ApiServer) -> None:
    helm = replace(helm, kubeconfig=fresh.kubeconfig)
    notes = install(helm)
    assert f"kubectl --namespace {NAMESPACE} rollout status deployment/{RELEASE}" in notes
    assert "WARNING" not in notes
    fresh.client.post(MODELS, MODEL)
    fresh.client.post(SECRETS, {"metadata": {"name": f"{RELEASE}-operator-tls"}})  # as the operator does

    upgrade(helm, "--set", "labelGracePeriod=60")
    assert grace(fresh) == "60"

    uninstall(helm)
    assert not exists(fresh, DEPLOYMENT)
    assert not exists(fresh, POLICY)
    assert exists(fresh, f"{MODELS}/digits")
    assert exists(fresh, f"{SECRETS}/{RELEASE}-operator-tls"), "devices would have to learn a new authority"

    install(helm)
    assert exists(fresh, DEPLOYMENT)
    assert exists(fresh, f"{MODELS}/digits")


def test_a_release_of_helm_3_lives_on_under_helm_4(helm_3: Helm, helm_4: Helm, fresh: ApiServer) -> None:
    old, new = (replace(helm, kubeconfig=fresh.kubeconfig) for helm in (helm_3, helm_4))
    install(old)
    upgrade(new, "--set", "labelGracePeriod=60", "--set", "labelGuard.enabled=false")
    assert grace(fresh) == "60"
    assert not exists(fresh, POLICY)
    uninstall(new)
    install(old)
    assert grace(fresh) == "300"


def test_a_second_upgrade_with_the_same_values_changes_nothing(helm: Helm, fresh: ApiServer) -> None:
    helm = replace(helm, kubeconfig=fresh.kubeconfig)
    install(helm)
    before = fresh.client.get(DEPLOYMENT)["metadata"]["resourceVersion"]
    upgrade(helm)
    assert fresh.client.get(DEPLOYMENT)["metadata"]["resourceVersion"] == before


def test_kinds_that_are_not_to_be_kept_go_and_the_notes_have_said_so(helm: Helm, fresh: ApiServer) -> None:
    helm = replace(helm, kubeconfig=fresh.kubeconfig)
    install(helm)
    assert "WARNING: crds.keep is false" in upgrade(helm, "--set", "crds.keep=false")
    uninstall(helm)
    wait_for("the kind is gone", lambda: not exists(fresh, f"{CRDS}/edgemodels.edgewise.dev"))


def test_kinds_that_somebody_else_installs_are_left_alone(helm: Helm, fresh: ApiServer) -> None:
    install(replace(helm, kubeconfig=fresh.kubeconfig), "--set", "crds.enabled=false")
    assert exists(fresh, DEPLOYMENT)
    assert not exists(fresh, f"{CRDS}/edgemodels.edgewise.dev")


def test_a_reinstall_under_another_name_must_ask_for_the_kept_kinds(helm: Helm, fresh: ApiServer) -> None:
    helm = replace(helm, kubeconfig=fresh.kubeconfig)
    install(helm)
    uninstall(helm)
    again = ("install", "another", CHART, "-n", NAMESPACE)
    with pytest.raises(HelmError, match="ownership"):
        helm.run(*again)
    helm.run(*again, "--take-ownership")
    assert exists(fresh, f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/another-edgewise")
