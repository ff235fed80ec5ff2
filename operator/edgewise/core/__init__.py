"""Decisions, as pure functions of what was observed. No I/O, no clock, no environment: `now` is an argument."""
