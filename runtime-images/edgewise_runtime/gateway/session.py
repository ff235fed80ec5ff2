"""A model that is somewhere else: what it takes and gives is known, nothing of it runs here. Made by scouting.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgewise_runtime.engines.base import Array, TensorSpec
from edgewise_runtime.engines.traits import Traits


@dataclass(frozen=True)
class RemoteSession:
    """A Session as far as metadata, checks of requests and health go."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    platform: str
    provider: str
    """`target:<name>` of the first that has it now; empty: none has."""
    lost: str = ""
    traits = Traits(remote=True)

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Never called: the data plane asks targets instead."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is held."""
