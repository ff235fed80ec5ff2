"""Digests of whole files and of stretches of them, by each algorithm that devices know."""

from __future__ import annotations

import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise_runtime.trust import oms
from edgewise_runtime.trust.content import ALGORITHMS, Content, content_of

CONTENT = bytes(range(250))


def statement(resources: list[oms.Resource], **read: object) -> oms.Statement:
    serialization = oms.Serialization.model_validate(
        {"method": "files", "hash_type": "sha256", "allow_symlinks": False} | read
    )
    return oms.Statement(
        kind=oms.STATEMENT_TYPE,
        subject=[oms.Subject(name="m", digest={"sha256": oms.root(resources)})],
        predicate_type=oms.PREDICATE_TYPE,
        predicate=oms.Predicate(resources=resources, serialization=serialization),
    )


def shards(content: bytes, size: int, algorithm: str = "sha256", name: str = "m.onnx") -> oms.Statement:
    starts = range(0, len(content), size)
    resources = [
        oms.Resource(
            name=f"{name}:{start}:{min(start + size, len(content))}",
            algorithm=algorithm,
            digest=hashlib.new(algorithm, content[start : start + size]).hexdigest(),
        )
        for start in starts
    ]
    return statement(resources, method="shards", hash_type=algorithm, shard_size=size)


def signed(one: oms.Statement, name: str = "m.onnx") -> Content:
    found = content_of(one, name)
    assert found is not None
    return found


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
@pytest.mark.parametrize("size", [1, 7, 125, 250, 1000])
def test_shards_cover_exactly_the_file(algorithm: str, size: int) -> None:
    found = signed(shards(CONTENT, size, algorithm))
    assert found.sha256 == ""
    assert found.matches(io.BytesIO(CONTENT))
    for changed in (CONTENT[:-1], CONTENT + b"x", CONTENT[1:], b"", CONTENT[:100] + b"?" + CONTENT[101:]):
        assert not found.matches(io.BytesIO(changed))


@given(st.binary(min_size=1, max_size=200), st.binary(min_size=1, max_size=200), st.integers(1, 64))
def test_shards_match_their_own_file_and_no_other(one: bytes, other: bytes, size: int) -> None:
    assert signed(shards(one, size)).matches(io.BytesIO(other)) == (one == other)


def test_a_name_may_have_colons() -> None:
    assert signed(shards(CONTENT, 100, name="a:1:2"), "a:1:2").matches(io.BytesIO(CONTENT))


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_gap_between_shards_is_no_signature(missing: int) -> None:
    resources = shards(CONTENT, 100).predicate.resources
    kept = [resource for number, resource in enumerate(resources) if number != missing]
    gappy = statement(kept, method="shards", shard_size=100)
    if missing == 2:  # a shorter file, all of it signed: not this one
        assert not signed(gappy).matches(io.BytesIO(CONTENT))
        return
    with pytest.raises(oms.NotSignedError, match="do not cover it"):
        content_of(gappy, "m.onnx")


def test_blake2b_over_the_whole_file_takes_reading_it() -> None:
    digest = hashlib.blake2b(CONTENT).hexdigest()
    found = signed(statement([oms.Resource(name="m.onnx", algorithm="blake2b", digest=digest)], hash_type="blake2b"))
    assert found.sha256 == ""
    assert found.matches(io.BytesIO(CONTENT))
    assert not found.matches(io.BytesIO(CONTENT + b"x"))


def test_an_algorithm_that_devices_lack_says_which_they_have() -> None:
    blake3 = statement([oms.Resource(name="m.onnx", algorithm="blake3", digest="00")], hash_type="blake3")
    with pytest.raises(oms.NotSignedError, match="blake3, devices check sha256 and blake2b"):
        content_of(blake3, "m.onnx")


def test_of_a_file_that_is_not_listed_nothing_is_signed() -> None:
    assert content_of(shards(CONTENT, 100), "other.onnx") is None
