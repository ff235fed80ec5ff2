"""Examples on disk: what is kept, what goes first, what a start finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewise_runtime.spool import store as stores
from edgewise_runtime.spool.store import BLOCK
from tests.runtime.spool.examples import NOW, files, on_disk, packed, store


def test_the_least_sure_goes_out_first_and_of_those_equally_sure_the_newest(tmp_path: Path) -> None:
    kept, _ = store(tmp_path)
    for seed, confidence in enumerate([0.7, 0.2, 0.5, 0.2]):
        kept.add(packed(seed=seed), NOW + seed, confidence)
    order = list[float]()
    while found := kept.best(NOW):
        order.append(found[0].taken - NOW)
        kept.remove(found[0])
    assert order == [3.0, 1.0, 2.0, 0.0]
    assert (kept.held, files(tmp_path)) == (0, [])


def test_full_it_drops_the_surest_then_the_oldest(tmp_path: Path) -> None:
    kept, dropped = store(tmp_path, size=2 * BLOCK)
    for seed, confidence in enumerate([0.9, 0.3, 0.3]):
        kept.add(packed(seed=seed), NOW + seed, confidence)
    assert {path.name.split("_")[1] for path in files(tmp_path)} == {"0.3"}
    kept.add(packed(seed=3), NOW + 3, 0.3)
    assert [int(path.name.split("_")[0]) for path in files(tmp_path)] == [round((NOW + at) * 1000) for at in (2, 3)]
    assert dropped == {"full": 2}


def test_what_is_worth_less_than_all_that_is_there_is_not_even_written(tmp_path: Path) -> None:
    kept, dropped = store(tmp_path, size=BLOCK)
    kept.add(packed(seed=0), NOW, 0.3)
    before = files(tmp_path)
    kept.add(packed(seed=1), NOW, 0.8)
    assert (files(tmp_path), dropped) == (before, {"full": 1})


def test_a_big_one_displaces_nobody_where_it_would_not_fit_all_the_same(tmp_path: Path) -> None:
    kept, dropped = store(tmp_path, size=3 * BLOCK)
    kept.add(packed(seed=0), NOW, 0.1)
    kept.add(packed(seed=1), NOW, 0.9)
    kept.add(packed(size=2500, seed=2), NOW, 0.5)  # three blocks; only one of the two would be displaced for it
    assert (len(kept), dropped) == (2, {"full": 1})


def test_one_that_is_larger_than_the_spool_is_dropped(tmp_path: Path) -> None:
    kept, dropped = store(tmp_path, size=BLOCK)
    kept.add(packed(size=5000), NOW, 0.1)
    assert (len(kept), dropped) == (0, {"large": 1})


def test_space_is_counted_as_file_systems_give_it_out(tmp_path: Path) -> None:
    kept, _ = store(tmp_path)
    kept.add(packed(), NOW, 0.1)
    kept.add(packed(size=2500, seed=1), NOW, 0.1)
    assert kept.held == on_disk(tmp_path) == BLOCK + 3 * BLOCK


def test_their_number_is_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "MOST", 3)
    kept, dropped = store(tmp_path)
    for seed in range(5):
        kept.add(packed(seed=seed), NOW + seed, 0.5)
    assert (len(kept), len(files(tmp_path)), dropped) == (3, 3, {"full": 2})


@pytest.mark.parametrize("taken", [NOW - 3601, NOW + 3601], ids=["too old", "from the future"])
def test_what_is_too_old_is_dropped(tmp_path: Path, taken: float) -> None:
    kept, dropped = store(tmp_path, age=3600)
    kept.add(packed(seed=0), taken, 0.1)
    kept.add(packed(seed=1), NOW, 0.1)
    kept.expire(NOW)
    assert (len(kept), len(files(tmp_path)), dropped) == (1, 1, {"age": 1})


def test_what_became_too_old_since_is_not_sent(tmp_path: Path) -> None:
    kept, dropped = store(tmp_path, age=60)
    kept.add(packed(), NOW, 0.1)
    assert (kept.best(NOW + 61), dropped) == (None, {"age": 1})


def test_a_start_takes_up_what_is_there_in_the_same_order(tmp_path: Path) -> None:
    before, _ = store(tmp_path)
    for seed, confidence in enumerate([0.123456789, None, 1e-9, 12.5, float("nan"), -3.0]):
        before.add(packed(seed=seed), NOW + seed, confidence)
    after, dropped = store(tmp_path)
    assert (after.held, after.oldest, len(after), dropped) == (before.held, before.oldest, 6, {})
    for kept in (before, after):
        found = kept.best(NOW)
        assert found is not None
        assert found[0].confidence == -3.0
    assert [entry.name for entry in after._entries] == [entry.name for entry in before._entries]


def test_a_start_under_a_lower_limit_drops_what_is_too_much(tmp_path: Path) -> None:
    before, _ = store(tmp_path)
    for seed in range(4):
        before.add(packed(seed=seed), NOW + seed, 0.5)
    after, dropped = store(tmp_path, size=2 * BLOCK)
    assert (len(after), on_disk(tmp_path), dropped) == (2, 2 * BLOCK, {"full": 2})


def test_what_a_killed_process_was_writing_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".1763700000000_0.4_aaaa.npz.x1.tmp").write_bytes(b"half of")
    store(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("mine")
    kept, _ = store(tmp_path)
    assert (len(kept), kept.best(NOW), (tmp_path / "README").exists()) == (0, None, True)


@pytest.mark.parametrize("content", [b"", b"half", packed()[:-1], packed() + b"\0", packed(seed=9)])
def test_a_torn_file_is_dropped_and_counted_never_sent(tmp_path: Path, content: bytes) -> None:
    kept, dropped = store(tmp_path)
    kept.add(packed(), NOW, 0.1)
    files(tmp_path)[0].write_bytes(content)
    assert (kept.best(NOW), dropped, files(tmp_path), kept.held) == (None, {"corrupt": 1}, [], 0)


def test_a_file_that_somebody_deleted_is_dropped_and_counted(tmp_path: Path) -> None:
    kept, dropped = store(tmp_path)
    kept.add(packed(), NOW, 0.1)
    files(tmp_path)[0].unlink()
    assert (kept.best(NOW), dropped) == (None, {"corrupt": 1})


def test_the_same_example_twice_is_one(tmp_path: Path) -> None:
    kept, dropped = store(tmp_path)
    kept.add(packed(), NOW, 0.1)
    kept.add(packed(), NOW, 0.1)
    assert (len(kept), kept.held, dropped) == (1, BLOCK, {})


def test_those_that_are_put_aside_are_passed_over(tmp_path: Path) -> None:
    kept, _ = store(tmp_path)
    kept.add(packed(seed=0), NOW, 0.1)
    kept.add(packed(seed=1), NOW, 0.5)
    first = kept.best(NOW)
    assert first is not None
    second = kept.best(NOW, {first[0].id})
    assert second is not None
    assert second[0].confidence == 0.5
