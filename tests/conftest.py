"""Fixtures for all tests: a real API server, a whole real cluster."""

from tests.cluster.fixtures import apiserver, cluster

__all__ = ["apiserver", "cluster"]
