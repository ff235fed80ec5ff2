"""What becomes of the pod templates of a deployment: part of the view, drawn up by templates.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgewise.core.children.podinputs import PodInputs


@dataclass(frozen=True)
class PodChange:
    """At one look. Profiles are those that need a workload."""

    wanted: Mapping[str, PodInputs] = field(default_factory=dict)
    """Profile -> what the pod template of its workload is made from now."""
    proven: Mapping[str, PodInputs] = field(default_factory=dict)
    """Profile -> what the last good one was made from: the same where nothing is on its way by waves."""
    name: str = ""
    """`pods-<hash>`, of a change on its way by waves; empty: there is none."""
    of_release: bool = False
    """The release that is on its way is the only reason for it."""
    refused: str = ""
    """The change that is wanted and was rejected; empty: it was not."""

    @property
    def profiles(self) -> frozenset[str]:
        """Those whose devices get other pods by waves."""
        return frozenset(name for name, made in self.wanted.items() if made.hash != self.proven[name].hash)
