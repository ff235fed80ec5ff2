"""Which plan a device follows: the highest that it has seen, wherever it came from."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.contract.plan import PLAN_KEY, Plan
from edgewise_runtime import durable
from edgewise_runtime.agent.plans import Plans
from tests.runtime.agent.documents import plan

OLD, NEW = "uid-old", "uid-new"


class Folders:
    """A device's cache and its mounted ConfigMap."""

    def __init__(self, root: Path) -> None:
        self.cache, self.mounted = root / "cache", root / "plan"

    def mount(self, what: Plan | str) -> None:
        """As a kubelet does it: new files beside the old ones, then one link swapped."""
        text = what if isinstance(what, str) else what.model_dump_json(by_alias=True)
        version = self.mounted / f"..{len(list(self.mounted.glob('..*')))}"
        version.mkdir(parents=True)
        (version / PLAN_KEY).write_text(text)
        link = self.mounted / "link"
        link.symlink_to(version.name)
        link.replace(self.mounted / "..data")
        if not (self.mounted / PLAN_KEY).is_symlink():
            (self.mounted / PLAN_KEY).symlink_to(f"..data/{PLAN_KEY}")

    def unmount(self) -> None:
        (self.mounted / PLAN_KEY).unlink()

    async def booted(self) -> Plans:
        plans = Plans(self.cache, self.mounted)
        await plans.start()
        return plans


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def at(plans: Plans) -> tuple[str, int] | None:
    return (plans.current.deployment.uid, plans.current.sequence) if plans.current else None


async def test_a_device_starts_with_the_mounted_plan(folders: Folders) -> None:
    folders.mount(plan(3, uid=OLD))
    assert at(await folders.booted()) == (OLD, 3)


async def test_a_device_that_heard_more_from_the_operator_starts_with_that(folders: Folders) -> None:
    folders.mount(plan(3, uid=OLD))
    plans = await folders.booted()
    assert await plans.offer(plan(7, uid=OLD))
    assert at(await folders.booted()) == (OLD, 7)


async def test_a_device_without_a_mounted_plan_starts_with_the_one_on_disk(folders: Folders) -> None:
    folders.mount(plan(3, uid=OLD))
    await folders.booted()
    folders.unmount()
    assert at(await folders.booted()) == (OLD, 3)


async def test_without_a_mounted_plan_a_shared_cache_does_not_say_whose_device_this_is(folders: Folders) -> None:
    for uid in (OLD, NEW):
        folders.mount(plan(3, uid=uid))
        await folders.booted()
    folders.unmount()
    assert at(await folders.booted()) is None


async def test_a_swapped_config_map_is_seen(folders: Folders) -> None:
    folders.mount(plan(3, uid=OLD))
    plans = await folders.booted()
    news = plans.bell.listen()
    folders.mount(plan(4, uid=OLD))
    await plans.poll()
    assert at(plans) == (OLD, 4)
    assert news.is_set()


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"contract": 2}', plan(9, uid="../../etc").model_dump_json()])
async def test_a_plan_that_cannot_be_read_leaves_the_old_one(folders: Folders, broken: str) -> None:
    folders.mount(plan(3, uid=OLD))
    plans = await folders.booted()
    folders.mount(broken)
    await plans.poll()
    assert at(plans) == (OLD, 3)
    assert at(await folders.booted()) == (OLD, 3)
    folders.mount(plan(4, uid=OLD))
    await plans.poll()
    assert at(plans) == (OLD, 4)


async def test_a_deployment_made_anew_starts_afresh_from_the_mounted_plan_alone(folders: Folders) -> None:
    folders.mount(plan(9, uid=OLD))
    plans = await folders.booted()
    assert not await plans.offer(plan(99, uid=NEW))
    folders.mount(plan(0, uid=NEW))
    await plans.poll()
    assert at(plans) == (NEW, 0)
    assert not await plans.offer(plan(10, uid=OLD))
    assert at(await folders.booted()) == (NEW, 0)


async def test_a_disk_that_takes_nothing_does_not_keep_a_device_from_its_plan(folders: Folders) -> None:
    folders.mount(plan(3, uid=OLD))
    folders.cache.write_text("not a folder")
    assert at(await folders.booted()) == (OLD, 3)


async def test_a_slow_disk_holds_nothing_else_up_and_a_plan_is_followed_once_it_is_kept(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.mount(plan(3, uid=OLD))
    plans = await folders.booted()
    disk, patience = threading.Event(), 30.0
    monkeypatch.setattr(durable, "_sync", lambda _: disk.wait(patience))
    offered = asyncio.ensure_future(plans.offer(plan(4, uid=OLD)))
    await asyncio.sleep(0)
    assert at(plans) == (OLD, 3)
    disk.set()
    assert await offered
    assert at(plans) == (OLD, 4)


async def test_of_two_plans_at_the_same_time_the_higher_is_followed(folders: Folders) -> None:
    folders.mount(plan(3, uid=OLD))
    plans = await folders.booted()
    folders.mount(plan(4, uid=OLD))
    await asyncio.gather(plans.offer(plan(5, uid=OLD)), plans.poll())
    assert at(plans) == (OLD, 5)
    assert at(await folders.booted()) == (OLD, 5)


def test_a_plan_on_disk_is_whole_or_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    durable.write(path, b"old")
    with pytest.raises(TypeError):
        durable.write(path, "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["plan.json"]


Step = st.tuples(st.sampled_from(["reply", "mount", "restart"]), st.integers(0, 6))


@settings(max_examples=60, deadline=None)
@given(st.lists(Step, max_size=12))
async def test_of_one_deployment_a_device_always_follows_the_highest_sequence_it_has_seen(
    steps: list[tuple[str, int]],
) -> None:
    with TemporaryDirectory() as root:
        folders = Folders(Path(root))
        folders.mount(plan(0, uid=OLD))
        plans, highest = await folders.booted(), 0
        for kind, sequence in steps:
            if kind == "restart":
                plans = await folders.booted()
                continue
            highest = max(highest, sequence)
            if kind == "mount":
                folders.mount(plan(sequence, uid=OLD))
                await plans.poll()
            else:
                await plans.offer(plan(sequence, uid=OLD))
            assert at(plans) == (OLD, highest)
        assert at(await folders.booted()) == (OLD, highest)
