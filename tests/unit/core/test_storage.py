"""Caches and files on a device's own disks: what is allowed, what pods mount, and what replaces none of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgewise.core.children import storage
from edgewise.core.children.storage import Storage
from edgewise.core.deployment import blockers
from edgewise.core.observed import Settings
from tests.unit.core.builders import NAMESPACE, SETTINGS, build, deployment, model, observed, workload
from tests.unit.core.fleets import PI, settled

OPEN = Settings(cache_root="/var/lib/edgewise", file_root="/srv/models")
OWN = f"/var/lib/edgewise/{NAMESPACE}"
FILES = f"/srv/models/{NAMESPACE}"


def host_path(path: str | None = None) -> dict[str, Any]:
    return {"cache": {"type": "HostPath", **({"path": path} if path else {})}}


def problem(serving: dict[str, Any], settings: Settings = OPEN) -> str:
    """Of the first check that finds one."""
    seen = observed(deployment(serving=serving), settings=settings, models=[model("digits")])
    found = blockers.first(seen)
    assert found is None or found.reason == "NotAllowed"
    return found.message if found is not None else ""


@pytest.mark.parametrize("path", [None, f"{OWN}/models", f"{OWN}/line-4", f"{OWN}/a.b_c"])
def test_a_cache_below_the_namespace_s_own_folder_is_allowed(path: str | None) -> None:
    assert problem(host_path(path)) == ""


@pytest.mark.parametrize(
    "path",
    [
        "/etc",
        "/var/lib/edgewise",
        OWN,
        f"{OWN}/",
        f"{OWN}/..",
        f"{OWN}/.hidden",
        f"{OWN}/a/b",
        f"{OWN}/../other/models",
        f"{OWN}-of-others/models",
        "/var/lib/edgewise/other/models",
        f"/var/lib/edgewise/./{NAMESPACE}/models",
        f"/var/lib//edgewise/{NAMESPACE}/models",
    ],
)
def test_a_cache_anywhere_else_is_not(path: str) -> None:
    assert f"write {OWN}/<name>" in problem(host_path(path))


def test_where_the_administrator_opened_no_folder_there_is_none() -> None:
    assert "set cacheRoot" in problem(host_path(), SETTINGS)
    assert problem({}, SETTINGS) == ""


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        (f"file://{FILES}/digits.onnx", ""),
        (f"file://{FILES}/v2/digits.onnx", ""),
        ("file:///etc/shadow", f"is not below file://{FILES}/"),
        ("file:///srv/models/other/digits.onnx", f"is not below file://{FILES}/"),
        (f"file://{FILES}/../other/digits.onnx", f"is not below file://{FILES}/"),
    ],
)
@pytest.mark.parametrize("where", ["uri", "mirror", "delta", "compressed"])
def test_files_of_a_node_are_those_of_the_namespace(uri: str, says: str, where: str) -> None:
    copy = {"uri": uri, "sha256": "a" * 64}
    variants = {
        "uri": build(source={"uri": uri}),
        "mirror": build(source={"mirrors": [uri]}),
        "delta": build(deltas=[{**copy, "fromSha256": "b" * 64}]),
        "compressed": build(source={"compressed": copy}),
    }
    seen = observed(deployment(), settings=OPEN, models=[model("digits", variants[where])])
    found = blockers.first(seen)
    assert (found.message if found else "").endswith(says) if not says else found is not None and says in found.message


def test_without_a_folder_for_them_files_of_a_node_are_not_allowed() -> None:
    found = blockers.first(observed(models=[model("digits", build(source={"uri": "file:///srv/m"}))]))
    assert found is not None
    assert (found.reason, "sets fileRoot" in found.message) == ("NotAllowed", True)


def test_who_asks_for_nothing_has_nothing() -> None:
    plain = storage.wanted(deployment(), [model("digits").spec], OPEN)
    assert plain == Storage()
    assert plain.wire() == {}
    assert (
        storage.volumes({}) == storage.mounts({}) == storage.environment({}) == storage.preparation({}, "image") == []
    )


def test_what_a_pod_spec_was_made_with_is_read_back() -> None:
    made = Storage(files=FILES, claims=("one", "two")).wire()
    volumes = [storage.cache_volume({"claim": "cache"}, "1Gi"), *storage.volumes(made)]
    assert storage.of_pod({"volumes": volumes}).wire() == made


@pytest.mark.parametrize(
    ("needed", "present", "lasting"),
    [
        pytest.param({}, (), {}, id="nothing"),
        pytest.param({}, ("one",), {"claims": ["one"]}, id="one less"),
        pytest.param({"claims": ["one"]}, ("one", "two"), {"claims": ["one", "two"]}, id="one of two"),
        pytest.param({"claims": ["one", "two"]}, ("one",), {"claims": ["one", "two"]}, id="one more"),
        pytest.param({"folder": "/c", "claims": ["b"]}, ("a",), {"folder": "/c", "claims": ["b"]}, id="another one"),
    ],
)
def test_volumes_of_models_only_grow(needed: dict[str, Any], present: tuple[str, ...], lasting: dict[str, Any]) -> None:
    assert storage.lasting(needed, replace(workload("cpu"), claims=present)) == lasting


def test_a_release_that_leaves_a_volume_replaces_pods_once_and_not_again_when_it_is_promoted() -> None:
    made = settled(PI)
    before = {name: pod.template for name, pod in made.pods.items()}
    made.release(model("digits", build(source={"uri": "pvc://store/digits.onnx"}), version="2.0.0"))
    made.settle(40)
    there = {name: pod.template for name, pod in made.pods.items()}
    assert not set(before.values()) & set(there.values())
    made.release(model("digits", build(source={"uri": "https://m/digits.onnx"}), version="3.0.0"))
    made.settle(40)
    assert {name: pod.template for name, pod in made.pods.items()} == there
