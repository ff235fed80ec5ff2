from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.api.names import Reason
from edgewise_runtime.agent.cache import FORGOTTEN_SECONDS, Cache
from edgewise_runtime.agent.failure import Failure
from tests.runtime.agent.documents import sha256


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


def put(cache: Cache, content: bytes, used: float = 1e9) -> str:
    """A blob that was last used at `used` (seconds since the epoch)."""
    name = sha256(content)
    part = cache.partial(name)
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(content)
    path = cache.admit(name)
    os.utime(path, (used, used))
    return name


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


def test_the_least_recently_used_goes_first(cache: Cache) -> None:
    old, older, new = put(cache, b"aaaa", 2e9), put(cache, b"bbbb", 1e9), put(cache, b"cccc", 3e9)
    cache.make_room(4, limit=12, keep=())
    assert [cache.blob(name).exists() for name in (old, older, new)] == [True, False, True]


def test_using_a_blob_makes_it_the_most_recent(cache: Cache) -> None:
    first, second = put(cache, b"aaaa", 1e9), put(cache, b"bbbb", 1.1e9)
    assert cache.verified(first)
    cache.make_room(4, limit=8, keep=())
    assert [cache.blob(name).exists() for name in (first, second)] == [True, False]


def test_what_is_in_use_stays_and_the_message_says_which_limit_to_raise(cache: Cache) -> None:
    serving = put(cache, b"aaaa", 1e9)
    with pytest.raises(Failure, match=r"serving\.cache\.limit is 6;.*take 4.*needs 3; raise") as caught:
        cache.make_room(3, limit=6, keep={serving})
    assert caught.value.reason == Reason.DISK_FULL
    assert cache.blob(serving).exists()


def test_only_downloads_given_up_are_swept(cache: Cache, tmp_path: Path) -> None:
    blob = put(cache, b"blob", 1e9)
    for name in ("forgotten", "wanted", "fresh"):
        cache.partial(name).write_bytes(b"half")
    (tmp_path / "uid").mkdir()
    temporary = tmp_path / "uid" / ".plan.json.x.tmp"
    temporary.write_bytes(b"half")
    long_ago = cache.partial("fresh").stat().st_mtime - FORGOTTEN_SECONDS - 10
    for path in (cache.partial("forgotten"), cache.partial("wanted"), temporary):
        os.utime(path, (long_ago, long_ago))
    cache.sweep(keep={"wanted"})
    left = [cache.partial(name).exists() for name in ("forgotten", "wanted", "fresh")]
    assert left == [False, True, True]
    assert not temporary.exists()
    assert cache.blob(blob).exists()


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
    keep = {name for name, _, kept in blobs if kept}
    kept_bytes = sum(size for _, size, kept in blobs if kept)
    try:
        assert cache.make_room(need, limit, keep) == limit - kept_bytes
    except Failure:
        assert kept_bytes + need > limit
    else:
        left = sum(size for name, size, _ in blobs if cache.blob(name).exists())
        assert left + need <= limit
    assert all(cache.blob(name).exists() for name in keep)
