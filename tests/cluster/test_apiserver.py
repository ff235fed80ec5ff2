"""The small size of cluster: a real API server, gone afterwards."""

import base64
import json
from pathlib import Path

import pytest

from tests.cluster import audit, binaries
from tests.cluster.apiserver import ApiServer, api_server
from tests.cluster.command import CommandError, run

pytestmark = pytest.mark.apiserver


def processes_of(folder: Path) -> list[str]:
    """Command lines of running processes that mention a folder."""
    lines = [file.read_bytes().replace(b"\0", b" ").decode() for file in _command_lines()]
    return [line for line in lines if str(folder) in line]


def _command_lines() -> list[Path]:
    return [folder / "cmdline" for folder in Path("/proc").iterdir() if folder.name.isdigit() and folder.exists()]


def test_it_leaves_neither_process_nor_file(tmp_path: Path) -> None:
    kept = tmp_path / "audit.log"
    with api_server(audit_log=kept) as api:
        folder = api.kubeconfig.parent.parent
        assert processes_of(folder)
    assert processes_of(folder) == []
    assert not folder.exists()
    assert audit.calls(kept, user="harness", resource="/readyz")


def test_several_run_at_the_same_time(apiserver: ApiServer) -> None:
    with api_server() as other:
        other.client.post("/api/v1/namespaces", {"metadata": {"name": "only-here"}})
        names = [item["metadata"]["name"] for item in apiserver.client.get("/api/v1/namespaces")["items"]]
    assert "only-here" not in names


def test_tokens_can_be_verified_offline(apiserver: ApiServer) -> None:
    token = run(binaries.kubectl(), "--kubeconfig", apiserver.kubeconfig, "create", "token", "default")
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    keys = json.loads(apiserver.client.raw("GET", "/openid/v1/jwks"))["keys"]
    assert header["kid"] in [key["kid"] for key in keys]


def test_a_user_without_rights_is_refused_and_counted(apiserver: ApiServer) -> None:
    stranger = apiserver.kubeconfig_for("stranger")
    with pytest.raises(CommandError, match='User "stranger" cannot list resource "secrets"'):
        run(binaries.kubectl(), "--kubeconfig", stranger, "get", "secrets")
    assert audit.calls(apiserver.audit_log, user="stranger", resource="secrets", code=403).total() == 1


def test_it_calls_itself_by_its_version(apiserver: ApiServer) -> None:
    assert apiserver.client.get("/version")["gitVersion"] == f"v{binaries.KUBERNETES_VERSION}"
