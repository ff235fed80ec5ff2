"""The operator's pod under the restricted Pod Security Standard, as a real API server judges it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.chart.helm import NAMESPACE, RELEASE, Helm, operator_container, operator_pod
from tests.cluster.apiserver import ApiServer
from tests.cluster.client import ApiError

PODS = f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All"
SERVICE_ACCOUNT = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{RELEASE}"


def pod(template: Mapping[str, Any]) -> dict[str, Any]:
    return {"metadata": {**template["metadata"], "name": "trial"}, "spec": template["spec"]}


@pytest.mark.apiserver
def test_the_pod_is_taken_where_the_restricted_standard_is_enforced(installed: ApiServer) -> None:
    template = installed.client.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{RELEASE}")["spec"]["template"]
    installed.client.post(PODS, pod(template))


@pytest.mark.apiserver
@pytest.mark.parametrize("weaker", ["runAsNonRoot", "seccompProfile"])
def test_the_same_pod_with_one_restriction_less_is_refused(installed: ApiServer, weaker: str) -> None:
    template = installed.client.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{RELEASE}")["spec"]["template"]
    del template["spec"]["securityContext"][weaker]
    with pytest.raises(ApiError, match="restricted"):
        installed.client.post(PODS, pod(template))


def test_it_writes_nowhere_but_to_memory(helm_4: Helm) -> None:
    manifests = helm_4.manifests()
    assert operator_container(manifests)["securityContext"]["readOnlyRootFilesystem"] is True
    assert [volume["emptyDir"]["medium"] for volume in operator_pod(manifests)["spec"]["volumes"]] == ["Memory"]


@pytest.mark.apiserver
def test_only_the_operator_s_own_pod_carries_its_token(installed: ApiServer, helm_4: Helm) -> None:
    assert installed.client.get(SERVICE_ACCOUNT)["automountServiceAccountToken"] is False
    assert operator_pod(helm_4.manifests())["spec"]["automountServiceAccountToken"] is True
