"""Deployments that share a node's cache folder: none throws out what another one needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewise.api.edgemodel import SelfTest, SmallFile
from edgewise.contract.plan import PLAN_KEY, Plan, PlanVerification
from edgewise.contract.trust import Policy
from edgewise_runtime import durable
from edgewise_runtime.agent import neighbours
from edgewise_runtime.agent.cache import Cache, Room
from tests.runtime.agent.documents import plan, release, sha256, source
from tests.runtime.agent.test_cache import put

STABLE, TARGET, OLD = b"stable", b"target", b"old"


def followed(cache: Path, uid: str, *contents: bytes) -> Plan:
    """A deployment of that uid lives on the node, and its plan names models of these contents."""
    releases = [release(f"r{i}", {"m": source("https://m/m", content)}) for i, content in enumerate(contents)]
    document = plan(1, *releases, uid=uid)
    durable.write(cache / uid / PLAN_KEY, document.model_dump_json(by_alias=True, exclude_none=True).encode())
    return document


def test_what_any_plan_of_the_node_names_is_needed(tmp_path: Path) -> None:
    followed(tmp_path, "one", STABLE, TARGET)
    followed(tmp_path, "two", OLD)
    assert neighbours.needed(tmp_path) == {sha256(content) for content in (STABLE, TARGET, OLD)}


def test_the_small_files_of_a_model_are_needed_as_well(tmp_path: Path) -> None:
    document = followed(tmp_path, "one", STABLE)
    signature, manifest = (SmallFile(uri="https://m/a", sha256=letter * 64, size=1) for letter in "ab")
    proof = PlanVerification(policy=Policy(public_keys=[]), signature=signature, manifest=manifest)
    golden = SelfTest(source="https://m/g", sha256="c" * 64)
    (model,) = document.releases[0].models
    more = model.model_copy(update={"verification": proof, "self_test": golden})
    changed = document.model_copy(update={"releases": [document.releases[0].model_copy(update={"models": [more]})]})
    durable.write(tmp_path / "one" / PLAN_KEY, changed.model_dump_json(by_alias=True, exclude_none=True).encode())
    assert neighbours.needed(tmp_path) == {sha256(STABLE), "a" * 64, "b" * 64, "c" * 64}


@pytest.mark.parametrize("content", [b"", b"{", b'{"contract": 7}'])
def test_a_plan_that_cannot_be_read_needs_nothing(tmp_path: Path, content: bytes) -> None:
    durable.write(tmp_path / "torn" / PLAN_KEY, content)
    followed(tmp_path, "one", STABLE)
    assert neighbours.needed(tmp_path) == {sha256(STABLE)}


def test_room_is_made_at_nobody_s_expense(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    mine, theirs, nobody_s = put(cache, STABLE, 1.2e9), put(cache, TARGET, 1.1e9), put(cache, OLD, 1.3e9)
    followed(tmp_path, "me", STABLE)
    followed(tmp_path, "them", TARGET)
    cache.make_room(Room(len(STABLE + TARGET) + 4, neighbours.needed(tmp_path)), "wanted", 4)
    assert [cache.blob(name).exists() for name in (mine, theirs, nobody_s)] == [True, True, False]
