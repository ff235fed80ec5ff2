"""Ways to the API server: kubeconfigs that work, and what is said of those that do not; a token that is renewed."""

from __future__ import annotations

import base64
import itertools
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgewise.cluster.access import AccessError, TokenFile, find_access, from_kubeconfig, in_cluster
from edgewise.controller.pki import renewed

MATERIAL = renewed(None, ["localhost"], datetime(2026, 1, 1, tzinfo=timezone.utc)).to_secret()
CA = base64.b64encode(MATERIAL["ca.crt"].encode()).decode()


def kubeconfig(folder: Path, user: dict[str, Any], **cluster: Any) -> Path:
    config = {
        "current-context": "edge",
        "contexts": [{"name": "edge", "context": {"cluster": "k3s", "user": "me", "namespace": "vision"}}],
        "clusters": [{"name": "k3s", "cluster": {"server": "https://k3s:6443/", **cluster}}],
        "users": [{"name": "me", "user": user}],
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(config))
    return path


def test_a_token(tmp_path: Path) -> None:
    found = from_kubeconfig(kubeconfig(tmp_path, {"token": "tea"}, **{"certificate-authority-data": CA}))
    assert (found.server, found.namespace) == ("https://k3s:6443", "vision")
    assert found.token is not None
    assert found.token() == "tea"
    assert len(found.tls.get_ca_certs()) == 1


def test_a_client_certificate_in_files_beside_the_kubeconfig(tmp_path: Path) -> None:
    for name, text in MATERIAL.items():
        (tmp_path / name).write_text(text)
    user = {"client-certificate": "tls.crt", "client-key": "tls.key"}
    found = from_kubeconfig(kubeconfig(tmp_path, user, **{"certificate-authority": "ca.crt"}))
    assert found.token is None
    assert len(found.tls.get_ca_certs()) == 1


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a plug-in": ({"exec": {"command": "aws"}}, {}, "use a client certificate or a token"),
    "no verification": ({"token": "tea"}, {"insecure-skip-tls-verify": True}, "put the certificate authority into"),
}


@pytest.mark.parametrize(("user", "cluster", "why"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_supported_is_said(tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any], why: str) -> None:
    with pytest.raises(AccessError, match=why):
        from_kubeconfig(kubeconfig(tmp_path, user, **cluster))


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("current-context: lab\n")
    with pytest.raises(AccessError, match="no 'lab' among its contexts"):
        from_kubeconfig(path)


def test_the_first_of_several_kubeconfigs_that_exists_is_taken(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, {"token": "tea"})
    assert find_access({"KUBECONFIG": f"{tmp_path}/missing:{path}"}).server == "https://k3s:6443"


def test_nowhere_to_go_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="set KUBECONFIG"):
        find_access({"KUBECONFIG": f"{tmp_path}/missing"})


@pytest.mark.parametrize(
    ("host", "server"), [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")]
)
def test_a_pod_uses_its_service_account(tmp_path: Path, host: str, server: str) -> None:
    for name, text in {"ca.crt": MATERIAL["ca.crt"], "token": "tea\n", "namespace": "edgewise-system"}.items():
        (tmp_path / name).write_text(text)
    found = in_cluster({"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "443"}, tmp_path)
    assert (found.server, found.namespace) == (server, "edgewise-system")
    assert found.token is not None
    assert found.token() == "tea"


def test_a_token_that_the_kubelet_renewed_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    minutes = itertools.count(step=61)
    monkeypatch.setattr("edgewise.cluster.access.time.monotonic", lambda: float(next(minutes)))
    path = tmp_path / "token"
    path.write_text("old")
    token = TokenFile(path)
    first = token()
    path.write_text("new")
    assert (first, token()) == ("old", "new")
