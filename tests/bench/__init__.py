"""Benches: one `make bench-<name>` each, figures into build/bench/<name>.json. Never part of the test suite."""
