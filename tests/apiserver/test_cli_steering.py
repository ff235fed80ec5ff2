"""`kubectl edgewise undo` and its like, against a real API server."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.config import kube_config
from typer.testing import CliRunner, Result

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.cli.__main__ import app
from edgewise.core.children import revisions
from tests.apiserver.test_crds import apply, named, objects, write_status
from tests.cases.manifests import SMALL_DEPLOYMENT
from tests.cluster.apiserver import ApiServer
from tests.unit.core.builders import model, released

pytestmark = pytest.mark.apiserver

OLD, NEW = (released(model(version=version)) for version in ("1.0.0", "2.0.0"))
STATUS: dict[str, Any] = {"release": {"stable": NEW.name, "target": NEW.name, "previous": OLD.name}}
GOING: dict[str, Any] = {
    "release": {"stable": OLD.name, "target": NEW.name},
    "rollout": {"release": NEW.name, "wave": 1, "waves": 3},
}


Run = Callable[..., Result]


@pytest.fixture
def edgewise(with_kinds: ApiServer, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in this process, which has loaded the libraries: as `kubectl edgewise` with these arguments."""

    def run(*arguments: str, kubeconfig: Path = with_kinds.kubeconfig) -> Result:
        monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
        return CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments)

    return run


def said(result: Result) -> list[str]:
    """To the person; it went well."""
    assert result.exit_code == 0, result.stderr
    return result.stderr.splitlines()


def spec(api: ApiServer, name: str) -> dict[str, Any]:
    found: dict[str, Any] = api.client.get(f"{objects('EdgeDeployment')}/{name}")["spec"]
    return found


def served(api: ApiServer, manager: str = "kubectl-edit") -> str:
    """Name of an EdgeDeployment that serves 2.0.0 and served 1.0.0 before, as the operator leaves one."""
    name = f"digits-{uuid.uuid4().hex[:8]}"
    body = apply(api.client, named(SMALL_DEPLOYMENT, name), manager)
    write_status(api.client, named(SMALL_DEPLOYMENT, name), STATUS)
    deployment = EdgeDeployment.model_validate(body)
    for number, release in enumerate((OLD, NEW), 1):
        snapshot = revisions.release(deployment, release, number)
        api.client.post("/apis/apps/v1/namespaces/default/controllerrevisions", snapshot)
    return name


def test_history_tells_what_undo_can_go_to(with_kinds: ApiServer, edgewise: Run) -> None:
    name = served(with_kinds)
    result = edgewise("history", name)
    head, new, old = (line.split() for line in result.stdout.splitlines())
    assert head == ["RELEASE", "SINCE", "MODELS", "NOW"]
    assert (new[0], new[2:]) == (NEW.name, ["digits", "2.0.0", "stable"])
    assert (old[0], old[2:]) == (OLD.name, ["digits", "1.0.0", "before"])


def test_undo_pins_the_release_before_and_follow_takes_the_pin_out(with_kinds: ApiServer, edgewise: Run) -> None:
    name = served(with_kinds)
    before = spec(with_kinds, name)
    result = edgewise("undo", name)
    assert said(result) == [f"{name}: goes to {OLD.name}, and stays there until `kubectl edgewise follow {name}`"]
    assert result.stdout == ""
    assert spec(with_kinds, name) == {**before, "release": OLD.name}, "and nothing else has changed"
    assert said(edgewise("follow", name)) == [f"{name}: follows its EdgeModels again"]
    assert spec(with_kinds, name) == before


def test_undo_goes_where_it_is_told_to_and_nowhere_that_nobody_knows(with_kinds: ApiServer, edgewise: Run) -> None:
    name = served(with_kinds)
    said(edgewise("undo", name, "--to", "1.0.0"))
    assert spec(with_kinds, name)["release"] == OLD.name
    result = edgewise("undo", name, "--to", "0.9.0")
    assert (result.exit_code, result.stderr) == (
        1,
        f"edgewise: 0.9.0 is none of its releases (there: {NEW.name}, {OLD.name}); name one of those\n",
    )


def test_a_rollout_is_paused_promoted_resumed_and_aborted(with_kinds: ApiServer, edgewise: Run) -> None:
    name = served(with_kinds)
    write_status(with_kinds.client, named(SMALL_DEPLOYMENT, name), GOING)
    for verb in ("pause", "promote", "abort"):
        said(edgewise(verb, name, "-n", "default"))
    now = spec(with_kinds, name)
    assert (now["rollout"]["paused"], now["rollout"]["promote"], now["release"]) == (True, f"{NEW.name}/1", OLD.name)
    said(edgewise("resume", name))
    assert spec(with_kinds, name)["rollout"]["paused"] is False


def test_a_dry_run_writes_nothing_and_prints_what_to_commit(with_kinds: ApiServer, edgewise: Run) -> None:
    name = served(with_kinds)
    before = spec(with_kinds, name)
    result = edgewise("undo", name, "--dry-run")
    assert said(result)[0].endswith(" (not written)")
    assert spec(with_kinds, name) == before
    apply(with_kinds.client, yaml.safe_load(result.stdout), "git")
    assert spec(with_kinds, name) == {**before, "release": OLD.name}


def test_where_git_is_followed_the_yaml_is_printed_to_be_committed_too(with_kinds: ApiServer, edgewise: Run) -> None:
    name = served(with_kinds, "kustomize-controller")
    result = edgewise("undo", name)
    assert said(result)[1:] == ["Flux may set this back: commit it, too"]
    assert yaml.safe_load(result.stdout)["spec"] == {"release": OLD.name}
    assert spec(with_kinds, name)["release"] == OLD.name


def test_a_missing_right_is_named(with_kinds: ApiServer, edgewise: Run) -> None:
    result = edgewise("undo", served(with_kinds), kubeconfig=with_kinds.kubeconfig_for("stranger"))
    assert result.exit_code == 1
    assert 'User "stranger" cannot get resource "edgedeployments"' in result.stderr
