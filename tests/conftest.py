"""Fixtures for all tests: a real API server, a whole real cluster, a real Triton."""

from hypothesis import settings

from tests.cloud.triton import triton
from tests.cluster.fixtures import apiserver, cluster

__all__ = ["apiserver", "cluster", "triton"]

settings.register_profile("unhurried", deadline=None)  # a machine that is busy is no bug
settings.load_profile("unhurried")
