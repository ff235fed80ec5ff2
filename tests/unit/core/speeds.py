"""How fast the devices of the world in miniature run what builds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edgewise.core.observed import Pod


@dataclass
class Speeds:
    """How fast builds are in this world. Times are seconds; a build without one is not measured by its devices."""

    latency: dict[tuple[str, str], float] = field(default_factory=dict)
    """(profile, variant) -> time of a request."""
    fastest: dict[tuple[str, str], float] = field(default_factory=dict)
    """The same with the best number of threads, where that is another time."""
    factor: dict[str, float] = field(default_factory=dict)
    """Node -> how many times slower it is than others."""
    silent: set[str] = field(default_factory=set)
    """Nodes that measure nothing."""

    def figures(self, pod: Pod, variant: str) -> dict[str, Any]:
        """As a report has them."""
        latency, factor = self.latency.get((pod.profile, variant)), self.factor.get(pod.node, 1.0)
        if latency is None or pod.node in self.silent:
            return {}
        fastest = self.fastest.get((pod.profile, variant), latency)
        return {"latency": latency * factor, "fastest": fastest * factor, "throughput": 1 / latency / factor}
