from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.api.names import Reason
from edgewise_runtime.agent.cache import FORGOTTEN_SECONDS, Cache, Room
from edgewise_runtime.agent.claims import Claim
from edgewise_runtime.agent.failure import Failure
from tests.runtime.agent.documents import sha256


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


def put(cache: Cache, content: bytes, used: float = 1e9) -> str:
    """A blob that was last used at `used` (seconds since the epoch)."""
    name = sha256(content)
    path = cache.admit(name, begun(cache, name, content))
    os.utime(path, (used, used))
    return name


def begun(cache: Cache, name: str, content: bytes) -> Path:
    """A download that nobody is at."""
    part = cache.partial(name)
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(content)
    return part


def test_an_admitted_download_is_a_blob_and_no_download_any_more(cache: Cache) -> None:
    name = put(cache, b"model")
    assert cache.verified(name)
    assert cache.blob(name).read_bytes() == b"model"
    assert not cache.partial(name).exists()


def test_a_blob_that_rotted_is_found_out_and_removed(cache: Cache) -> None:
    name = put(cache, b"model")
    cache.blob(name).write_bytes(b"m0del")
    assert not cache.verified(name)
    assert not cache.blob(name).exists()


def test_what_was_in_use_longest_ago_goes_first(cache: Cache) -> None:
    old, older, new = put(cache, b"aaaa", 1.2e9), put(cache, b"bbbb", 1.1e9), put(cache, b"cccc", 1.3e9)
    cache.make_room(Room(12), "wanted", 4)
    assert [cache.blob(name).exists() for name in (old, older, new)] == [True, False, True]


def test_what_one_might_go_back_to_goes_after_everything_else(cache: Cache) -> None:
    before, other = put(cache, b"aaaa", 1e9), put(cache, b"bbbb", 1.1e9)
    cache.make_room(Room(8, spare=frozenset({before})), "wanted", 4)
    assert [cache.blob(name).exists() for name in (before, other)] == [True, False]
    cache.make_room(Room(4, spare=frozenset({before})), "wanted", 4)
    assert not cache.blob(before).exists()


def test_using_a_blob_makes_it_the_most_recent(cache: Cache) -> None:
    first, second = put(cache, b"aaaa", 1e9), put(cache, b"bbbb", 1.1e9)
    assert cache.verified(first)
    cache.make_room(Room(8), "wanted", 4)
    assert [cache.blob(name).exists() for name in (first, second)] == [True, False]


def test_what_served_until_now_has_been_in_use_until_now(cache: Cache) -> None:
    served, tried = put(cache, b"aaaa", 1e9), put(cache, b"bbbb", 1.1e9)
    cache.make_room(Room(12, frozenset({served})), "next", 4)
    cache.make_room(Room(8), "the one after", 4)
    assert [cache.blob(name).exists() for name in (served, tried)] == [True, False]


def test_what_is_in_use_stays_and_the_message_says_which_limit_to_raise(cache: Cache) -> None:
    serving = put(cache, b"aaaa", 1e9)
    with pytest.raises(Failure, match=r"serving\.cache\.limit is 6;.*take 4.*needs 3; raise") as caught:
        cache.make_room(Room(6, frozenset({serving})), "wanted", 3)
    assert caught.value.reason == Reason.DISK_FULL
    assert cache.blob(serving).exists()


def test_what_another_pod_is_fetching_has_its_room_before_it_is_there(cache: Cache) -> None:
    coming = Claim(cache.claim("c" * 64))
    assert coming.take()
    coming.promise(7)
    begun(cache, "c" * 64, b"ccc")
    with pytest.raises(Failure, match=r"take 7 of it"):
        cache.make_room(Room(10), "wanted", 4)
    assert cache.make_room(Room(11), "wanted", 4) == 4
    coming.give_back()
    assert cache.make_room(Room(10), "wanted", 8) == 10
    assert not cache.partial("c" * 64).exists(), "a download that nobody is at makes room for one that somebody is at"


def test_a_file_grows_into_its_own_room(cache: Cache) -> None:
    begun(cache, "a" * 64, b"aaaaaa")
    assert cache.make_room(Room(10), "a" * 64, 10) == 10
    assert cache.partial("a" * 64).exists()


def test_where_the_disk_is_full_everything_goes_that_nobody_needs(cache: Cache) -> None:
    serving, old = put(cache, b"aaaa"), put(cache, b"bbbb")
    assert cache.give_up({serving})
    assert [cache.blob(name).exists() for name in (serving, old)] == [True, False]
    assert not cache.give_up({serving})


def test_only_downloads_given_up_are_swept(cache: Cache, tmp_path: Path) -> None:
    blob = put(cache, b"blob", 1e9)
    for name in ("forgotten", "wanted", "fresh", "held"):
        begun(cache, name, b"half")
    holder, left = Claim(cache.claim("held")), Claim(cache.claim("left"))
    assert holder.take()
    cache.claim("left").touch()
    (tmp_path / "uid").mkdir()
    temporary = tmp_path / "uid" / ".plan.json.x.tmp"
    temporary.write_bytes(b"half")
    long_ago = cache.partial("fresh").stat().st_mtime - FORGOTTEN_SECONDS - 10
    old = (cache.partial("forgotten"), cache.partial("wanted"), cache.partial("held"), cache.claim("held"))
    for path in (*old, cache.claim("left"), temporary):
        os.utime(path, (long_ago, long_ago))
    cache.sweep(keep={"wanted"})
    assert [cache.partial(name).exists() for name in ("forgotten", "wanted", "fresh", "held")] == [
        False,
        True,
        True,
        True,
    ]
    assert [cache.claim(name).exists() for name in ("held", "left")] == [True, False]
    assert left.take(), "whoever comes after the sweep makes the claim anew"
    assert not temporary.exists()
    assert cache.blob(blob).exists()
    for claim in (holder, left):
        claim.give_back()


@settings(max_examples=80, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 50), st.booleans()), max_size=8),
    need=st.integers(0, 80),
    limit=st.integers(0, 200),
)
def test_room_is_made_without_touching_what_must_stay_or_said_to_be_impossible(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[int, bool]], need: int, limit: int
) -> None:
    cache = Cache(tmp_path_factory.mktemp("cache"))
    blobs = [(put(cache, os.urandom(size), used), size, kept) for used, (size, kept) in enumerate(sizes)]
    keep = frozenset(name for name, _, kept in blobs if kept)
    kept_bytes = sum(cache.blob(name).stat().st_size for name in keep)
    try:
        assert cache.make_room(Room(limit, keep), "wanted", need) == limit - kept_bytes
    except Failure:
        assert kept_bytes + need > limit
    else:
        left = sum(path.stat().st_size for path in cache.blob("any").parent.glob("*"))
        assert left + need <= limit
    assert all(cache.blob(name).exists() for name in keep)
