"""How far the confidence of a release is from that of the one before: the population stability index, and its noise.

Nobody on a device knows whether an answer is right; but a model that has become much less sure, or much surer, of the
same pictures is not the model that was tested. Used by judgement.py; the numbers' reasons are in
docs/adr/20261121.evidence.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log

from edgewise.core.rollout.evidence import Counts

DECILES = 10
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Pair:
    """Distributions over the same buckets, of one device or of many; each sums to 1."""

    stable: Sequence[float]
    target: Sequence[float]
    noise: float
    """1/n of the one side and 1/n of the other: how far two samples of one population come apart by chance."""

    @classmethod
    def of(cls, stable: Counts, target: Counts) -> Pair:
        """Of one device that has counted on both sides."""
        before, now = sum(stable), sum(target)
        return cls([n / before for n in stable], [n / now for n in target], 1 / before + 1 / now)

    def index(self, groups: Sequence[slice]) -> float:
        """The population stability index over `groups`, less what chance alone would make of it.

        Two samples of one population have an index of `noise` times a chi-square with one degree of freedom less than
        there are groups. Its mean is taken off, so that a limit means the same for few answers and for many."""
        least = self.noise / 4  # half an answer of a side: an empty group has no logarithm
        pairs = [(max(sum(self.stable[g]), least), max(sum(self.target[g]), least)) for g in groups]
        filled = sum(before > least for before, _ in pairs)
        return max(0.0, sum((now - before) * log(now / before) for before, now in pairs) - (filled - 1) * self.noise)


def mixed(pairs: Sequence[Pair], weights: Sequence[float]) -> Pair:
    """Many devices as one: on both sides each has the same weight, so who is asked more today shifts nothing."""
    shares = [weight / sum(weights) for weight in weights]
    return Pair(
        _sum([pair.stable for pair in pairs], shares),
        _sum([pair.target for pair in pairs], shares),
        sum(share**2 * pair.noise for share, pair in zip(shares, pairs, strict=True)),
    )


def groups_of(stable: Sequence[float]) -> list[slice]:
    """Runs of buckets, together all of them: cut where the distribution passes a tenth of itself, so ten or, where many
    answers share a bucket, fewer. What is outside of it belongs to its ends, but not where an end is a bucket of its
    own: nobody would notice then that a model that was always sure never is now."""
    filled = [bucket for bucket, share in enumerate(stable) if share]
    cuts, upto, tenths = [filled[0]], 0.0, 0
    for bucket in range(filled[0], filled[-1] + 1):
        upto += stable[bucket]
        if int(upto * DECILES + _ROUNDING) > tenths:
            cuts.append(bucket + 1)
            tenths = int(upto * DECILES + _ROUNDING)
    below = [] if cuts[1] - cuts[0] == 1 else cuts[:1]
    above = [] if cuts[-1] - cuts[-2] == 1 else cuts[-1:]
    edges = [0, *(cut for cut in cuts if cut not in (*below, *above)), len(stable)]
    return [slice(first, last) for first, last in pairwise(edges)]


def _sum(distributions: Sequence[Sequence[float]], shares: Sequence[float]) -> list[float]:
    return [
        sum(share * part for share, part in zip(shares, bucket, strict=True))
        for bucket in zip(*distributions, strict=True)
    ]
