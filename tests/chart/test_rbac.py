"""The operator's rights: what its table of kinds asks for, and no more. Proof by use: test_rights_in_use.py."""

from __future__ import annotations

import pytest

from edgewise.cluster import resources
from edgewise.cluster.access import from_kubeconfig
from edgewise.cluster.client import Client
from edgewise.cluster.connection import connect
from tests.chart.helm import NAMESPACE, OPERATOR, RELEASE, Helm
from tests.chart.permissions import Right, granted
from tests.cluster.apiserver import ApiServer
from tests.cluster.client import MERGE_PATCH, ApiError

MODEL = "/apis/edgewise.dev/v1alpha1/namespaces/default/edgemodels/digits"
PROFILE = "/apis/edgewise.dev/v1alpha1/deviceprofiles/raspberry-pi-4"

NOT_ALLOWED: dict[str, tuple[str, str, object]] = {
    "read another Secret of its own namespace": ("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/other", None),
    "list the Secrets of its own namespace": ("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets", None),
    "list all Secrets": ("GET", "/api/v1/secrets", None),
    "read a user's Secret": ("GET", "/api/v1/namespaces/default/secrets/model-key", None),
    "make a Secret of another name": (
        "POST",
        f"/api/v1/namespaces/{NAMESPACE}/secrets?dryRun=All",
        {"metadata": {"name": "other"}},
    ),
    "use another Lease": ("PATCH", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/other", {}),
    "make a Lease elsewhere": (
        "POST",
        "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases?dryRun=All",
        {"metadata": {"name": "x"}},
    ),
    "write a user's EdgeModel": ("PATCH", MODEL, {"spec": {"version": "9.9.9"}}),
    "delete a user's EdgeModel": ("DELETE", MODEL, None),
    "delete a DeviceProfile": ("DELETE", PROFILE, None),
    "make a pod": ("POST", "/api/v1/namespaces/default/pods?dryRun=All", {"metadata": {"name": "x"}}),
    "delete a node": ("DELETE", "/api/v1/nodes/device", None),
    "write a node's status": ("PATCH", "/api/v1/nodes/device/status", {}),
    "give itself more": (
        "PATCH",
        f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{RELEASE}",
        {"rules": []},
    ),
    "switch the label guard off": (
        "DELETE",
        f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{RELEASE}-node-labels",
        None,
    ),
}


def test_it_may_watch_what_the_operator_watches(helm_4: Helm) -> None:
    watchable = {(right.group, right.resource) for right in granted(helm_4.manifests()) if right.verb == "watch"}
    assert watchable == {(w.resource.group, w.resource.plural) for w in resources.WATCHED}


def test_it_has_rights_on_what_the_operator_knows_and_on_nothing_else(helm_4: Helm) -> None:
    touched = {(right.group, right.resource.partition("/")[0]) for right in granted(helm_4.manifests())}
    known = {value for value in vars(resources).values() if isinstance(value, resources.Resource)}
    assert touched == {(resource.group, resource.plural) for resource in known}


def test_secrets_and_leases_are_matters_of_its_own_namespace(helm_4: Helm) -> None:
    manifests = helm_4.manifests()
    own = {right.resource for right in granted(manifests, "Role")}
    everywhere = {right.resource for right in granted(manifests, "ClusterRole")}
    assert own == {"secrets", "leases"}
    assert not own & everywhere


def test_no_right_is_a_wildcard(helm_4: Helm) -> None:
    assert not [right for right in granted(helm_4.manifests()) if "*" in "".join(right)]


def test_without_the_catalogue_it_may_not_write_profiles(helm_4: Helm) -> None:
    fewer = granted(helm_4.manifests("--set", "catalogue.enabled=false"))
    verbs = {"create", "patch"}
    assert granted(helm_4.manifests()) - fewer == {Right("edgewise.dev", "deviceprofiles", verb) for verb in verbs}


def test_with_a_certificate_of_ones_own_it_reads_that_secret_only(helm_4: Helm) -> None:
    manifests = helm_4.manifests("--set", "reports.certificateSecret=mine")
    (rule,) = (r for m in manifests if m["kind"] == "Role" for r in m["rules"] if r["resources"] == ["secrets"])
    assert (rule["resourceNames"], rule["verbs"]) == (["mine"], ["get"])


@pytest.mark.apiserver
@pytest.mark.parametrize(("method", "path", "body"), NOT_ALLOWED.values(), ids=tuple(NOT_ALLOWED))
def test_it_may_not(installed: ApiServer, method: str, path: str, body: object) -> None:
    with pytest.raises(ApiError) as refusal:
        installed.client_for(*OPERATOR).raw(
            method, path, body, MERGE_PATCH if method == "PATCH" else "application/json"
        )
    assert refusal.value.status == 403
    assert "cannot" in str(refusal.value), "refused by RBAC, not by something else"


@pytest.mark.apiserver
@pytest.mark.parametrize("path", ["/openid/v1/jwks", "/.well-known/openid-configuration"])
async def test_what_tokens_are_checked_with_is_open_to_it_without_a_right_of_ours(
    installed: ApiServer, path: str
) -> None:
    access = from_kubeconfig(installed.kubeconfig_for(*OPERATOR))
    async with connect(access) as connection, connection.session() as session:
        assert await Client(session, connection.server).document(path)
