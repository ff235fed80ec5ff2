"""Policies: what the stricter of two is, in which order versions are, and that no plan gets anything past a pod."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.api.base import SecretKeyRef
from edgewise.contract.trust import Policy, instant, precedence, tightened

# From https://semver.org, section 11, and the corners around it.
ORDERED = [
    "0.0.9", "0.9.0", "1.0.0-0", "1.0.0-1", "1.0.0-9", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta",
    "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0",
    "10.0.0", "1000000000000000000000.0.0",
]  # fmt: skip


@pytest.mark.parametrize("at", range(len(ORDERED) - 1))
def test_versions_are_in_the_order_of_semver(at: int) -> None:
    assert precedence(ORDERED[at]) < precedence(ORDERED[at + 1])


def test_what_follows_a_plus_counts_nothing() -> None:
    assert precedence("1.0.0+20261121") == precedence("1.0.0") == precedence("1.0.0+a-b.c")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00.000000Z"),
    ],
)
def test_one_moment_may_be_written_in_several_ways(one: str, other: str) -> None:
    assert instant(one) == instant(other)


KEYS = [SecretKeyRef(name="signers", key=name) for name in ("a", "b", "c")]
POLICIES = st.tuples(
    st.lists(st.sampled_from(KEYS), unique_by=lambda key: key.key),
    st.none() | st.sampled_from(ORDERED),
    st.none() | st.sampled_from(["2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"]),
).map(lambda parts: Policy(public_keys=parts[0], min_version=parts[1], not_after=parts[2]))


def admits(policy: Policy | None, key: SecretKeyRef, version: str, moment: float) -> bool:
    """Whether a version, signed by `key`, is taken at that moment."""
    if policy is None:
        return True
    old = policy.min_version is not None and precedence(version) < precedence(policy.min_version)
    late = policy.not_after is not None and moment >= instant(policy.not_after)
    return key in policy.public_keys and not old and not late


@given(
    st.none() | POLICIES,
    st.none() | POLICIES,
    st.sampled_from(KEYS),
    st.sampled_from(ORDERED),
    st.sampled_from(
        [instant("2025-06-01T00:00:00Z"), instant("2026-06-01T00:00:00Z"), instant("2027-06-01T00:00:00Z")]
    ),
)
def test_both_together_take_exactly_what_each_takes(
    fixed: Policy | None, asked: Policy | None, key: SecretKeyRef, version: str, moment: float
) -> None:
    """So a plan, whoever wrote it, adds nothing to what a pod takes."""
    together = admits(tightened(fixed, asked), key, version, moment)
    assert together == (admits(fixed, key, version, moment) and admits(asked, key, version, moment))
