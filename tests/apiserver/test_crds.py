"""The table of good and bad objects, told to the API server, and what it makes of defaults, lists and a new status."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from edgewise.api.names import API_VERSION
from edgewise.schema.kinds import KINDS
from tests.apiserver.kinds import CRDS
from tests.cases.case import Accepted, Refused
from tests.cases.kinds import ACCEPTED, FULL, MODELS, REFUSED, STATUSES
from tests.cases.manifests import SMALL_DEPLOYMENT, SMALL_MODEL, VARIANT, Manifest
from tests.cluster.apiserver import ApiServer
from tests.cluster.client import APPLY_PATCH, MERGE_PATCH, ApiError, Client

pytestmark = pytest.mark.apiserver

_KINDS = {kind.name: kind for kind in KINDS}
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_DRY = "dryRun=All&fieldValidation=Strict"


def objects(kind: str) -> str:
    """Where the objects of a kind live."""
    namespace = "" if _KINDS[kind].scope == "Cluster" else "/namespaces/default"
    return f"/apis/{API_VERSION}{namespace}/{_KINDS[kind].plural}"


def create(client: Client, manifest: Manifest, query: str = "fieldValidation=Strict") -> dict[str, Any]:
    """The object as the API server stores it."""
    stored: dict[str, Any] = json.loads(client.raw("POST", f"{objects(manifest['kind'])}?{query}", manifest))
    return stored


def apply(client: Client, manifest: Manifest, manager: str, query: str = "", subresource: str = "") -> dict[str, Any]:
    """Server-side apply without force, as `kubectl apply --server-side` does it."""
    path = f"{objects(manifest['kind'])}/{manifest['metadata']['name']}{subresource}?fieldManager={manager}&{query}"
    stored: dict[str, Any] = json.loads(client.raw("PATCH", path, manifest, APPLY_PATCH))
    return stored


def write_status(client: Client, owner: Manifest, status: Manifest) -> dict[str, Any]:
    """Writes the status as the operator does."""
    identity = {key: owner[key] for key in ("apiVersion", "kind", "metadata")}
    return apply(client, {**identity, "status": status}, "edgewise", "force=true", "/status")


def named(manifest: Manifest, name: str) -> Manifest:
    return {**copy.deepcopy(manifest), "metadata": {"name": name}}


@pytest.mark.parametrize("kind", _KINDS)
def test_the_definition_has_nothing_the_api_server_complains_about(with_kinds: ApiServer, kind: str) -> None:
    conditions = with_kinds.client.get(f"{CRDS}/{_KINDS[kind].crd_name}")["status"]["conditions"]
    assert {(condition["type"], condition["status"]) for condition in conditions} == {
        ("NamesAccepted", "True"),
        ("Established", "True"),
    }


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.sentence)
def test_accepted_with_the_defaults_that_pydantic_gives(with_kinds: ApiServer, case: Accepted) -> None:
    stored = create_dry(with_kinds.client, case.manifest)
    kind = MODELS[case.manifest["kind"]]
    assert stored["spec"] == kind.model_validate(case.manifest).wire()["spec"]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case.manifest['kind']}: {case.sentence}")
def test_refused(with_kinds: ApiServer, case: Refused) -> None:
    attempt = patch_status if case.path == "status" else create_dry
    with pytest.raises(ApiError) as refused:
        attempt(with_kinds.client, case.manifest)
    assert refused.value.status == 422
    assert case.says in str(refused.value)


def create_dry(client: Client, manifest: Manifest) -> dict[str, Any]:
    """The object as the API server would store it."""
    return create(client, manifest, _DRY)


def patch_status(client: Client, manifest: Manifest) -> None:
    """Tries a status on an object that is there, by a patch: server-side apply answers 500 to a duplicate."""
    without_status = {key: value for key, value in manifest.items() if key != "status"}
    apply(client, without_status, "someone")
    path = f"{objects(manifest['kind'])}/{manifest['metadata']['name']}/status?{_DRY}"
    client.raw("PATCH", path, {"status": manifest["status"]}, MERGE_PATCH)


@pytest.mark.parametrize(("manifest", "status"), STATUSES, ids=lambda part: part.get("kind"))
def test_a_status_with_every_field_is_stored_as_it_is(
    with_kinds: ApiServer, manifest: Manifest, status: Manifest
) -> None:
    owner = named(manifest, "with-status")
    apply(with_kinds.client, owner, "someone")
    assert write_status(with_kinds.client, owner, status)["status"] == status


@pytest.mark.parametrize(("manifest", "_status"), STATUSES, ids=lambda part: part.get("kind"))
def test_a_new_object_is_not_current_until_the_operator_has_seen_it(
    with_kinds: ApiServer, manifest: Manifest, _status: Manifest
) -> None:
    assert create(with_kinds.client, named(manifest, "unseen"))["status"] == {"observedGeneration": -1}


def test_two_appliers_share_the_models_of_a_deployment(with_kinds: ApiServer) -> None:
    shared = named(SMALL_DEPLOYMENT, "shared")
    apply(with_kinds.client, {**shared, "spec": {"models": [{"name": "digits"}]}}, "git")
    both = apply(with_kinds.client, {**shared, "spec": {"models": [{"name": "ocr"}]}}, "person")
    assert [model["name"] for model in both["spec"]["models"]] == ["digits", "ocr"]
    left = apply(with_kinds.client, {**shared, "spec": {"models": [{"name": "words"}]}}, "git")
    assert sorted(model["name"] for model in left["spec"]["models"]) == ["ocr", "words"]


def test_a_build_is_changed_by_its_owner_and_leaves_the_others_alone(with_kinds: ApiServer) -> None:
    shared = named(SMALL_MODEL, "shared")
    apply(with_kinds.client, {**shared, "spec": {"version": "1.0.0", "variants": [VARIANT]}}, "git")
    another = {**VARIANT, "name": "fp32", "precision": "FP32", "memory": "80Mi"}
    apply(with_kinds.client, {**shared, "spec": {"version": "1.0.0", "variants": [another]}}, "person")
    changed = {**VARIANT, "memory": "48Mi"}
    after = apply(with_kinds.client, {**shared, "spec": {"version": "1.0.0", "variants": [changed]}}, "git")
    memory = {variant["name"]: variant["memory"] for variant in after["spec"]["variants"]}
    assert memory == {"int8": "48Mi", "fp32": "80Mi"}


def test_a_field_that_someone_else_owns_is_a_conflict(with_kinds: ApiServer) -> None:
    owned = named(SMALL_DEPLOYMENT, "owned")
    apply(with_kinds.client, {**owned, "spec": {**owned["spec"], "rollout": {"paused": True}}}, "person")
    with pytest.raises(ApiError, match=r"conflict with .*person") as refused:
        apply(with_kinds.client, {**owned, "spec": {**owned["spec"], "rollout": {"paused": False}}}, "git")
    assert refused.value.status == 409


def test_applying_the_same_again_changes_nothing(with_kinds: ApiServer) -> None:
    same = named(SMALL_DEPLOYMENT, "same")
    apply(with_kinds.client, same, "git")
    status = write_status(with_kinds.client, same, {"observedGeneration": 1})
    again = apply(with_kinds.client, same, "git")
    assert again["metadata"]["resourceVersion"] == status["metadata"]["resourceVersion"]


def test_the_scale_subresource_reads_and_sets_replicas(with_kinds: ApiServer) -> None:
    apply(with_kinds.client, named(SMALL_DEPLOYMENT, "scaled"), "git")
    path = f"{objects('EdgeDeployment')}/scaled"
    with_kinds.client.patch(f"{path}/scale", {"spec": {"replicas": 4}})
    assert with_kinds.client.get(path)["spec"]["placement"]["replicas"] == 4


def test_a_misspelt_field_is_named(with_kinds: ApiServer) -> None:
    misspelt = {**SMALL_DEPLOYMENT, "spec": {**SMALL_DEPLOYMENT["spec"], "placment": {}}}
    with pytest.raises(ApiError, match=r"spec\.placment"):
        create_dry(with_kinds.client, misspelt)


@pytest.mark.parametrize("kind", _KINDS)
def test_kubectl_get_shows_the_columns(with_kinds: ApiServer, kind: str) -> None:
    """A path that reads nothing leaves a cell empty, so the object shown has every field set."""
    manifest, status = next((full, status) for full, status in FULL if full["kind"] == kind)
    shown = named(manifest, "shown")
    apply(with_kinds.client, shown, "git")
    write_status(with_kinds.client, shown, status)
    table = json.loads(with_kinds.client.raw("GET", f"{objects(kind)}/shown", accept=_TABLE))
    assert [column["name"] for column in table["columnDefinitions"]][1:] == [
        column.name for column in _KINDS[kind].columns
    ]
    assert all(cell not in (None, "", "<none>", "<unknown>") for cell in table["rows"][0]["cells"])
