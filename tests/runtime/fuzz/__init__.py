"""Inputs nobody sends on purpose: whole requests taken apart and put together wrongly, and what an answer may be.

`make test` sends a few thousand with fixed seeds, `make bench-serving` a hundred thousand.
"""
