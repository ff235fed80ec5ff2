"""What the queue holds: which object to look at, and nothing about why."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """An object that has a reconciler."""

    kind: str
    """EdgeDeployment, EdgeModel, DeviceProfile or Node."""
    namespace: str
    """Empty for cluster-scoped kinds."""
    name: str
